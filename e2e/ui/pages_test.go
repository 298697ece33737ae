package ui

import (
	"encoding/json"
	"strings"
	"testing"
)

// A route is a page, and a text by which one knows that it has come.
type route struct{ name, path, text string }

// routes lists every kind of page. TARGET stands for the query of a target.
var routes = []route{
	{"components", "/", "discovery.relabel.shops"},
	{"component", "/component/prometheus.remote_write.store", "password"},
	{"component-module", "/component/till.first", "Components inside"},
	{"component-inside", "/component/till.first/prometheus.relabel.article", "source_labels"},
	{"component-scrape", "/component/prometheus.scrape.shops", "scrape_interval"},
	{"graph", "/graph", "As a list"},
	{"graph-module", "/graph/till.first", "As a list"},
	{"debug", "/debug/prometheus.scrape.shops", "Live debugging"},
	{"clustering", "/clustering", "serving"},
	{"targets", "/targets", "shop-0001"},
	{"target", "/target?TARGET", "instance"},
	{"dropped", "/dropped?component=discovery.relabel.shops", "drop"},
	{"remote-write", "/remote-write", "store"},
	{"lost", "/nowhere", "There is no page"},
}

// All pages of a cluster load without a complaint, can be used by everybody, fit
// into a phone, and hold no secret.
func TestEachPageLoadsForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	w.start("a", "b", "c")
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range routes {
				t.Run(r.name, func(t *testing.T) {
					p := openTab(t, l)
					if r.name == "lost" {
						p.excuse("404")
					}
					p.visit(w.nodes["a"].url(strings.Replace(r.path, "TARGET", w.aTarget(), 1)))
					p.sees(r.text)
					p.accessible()
					p.fits()
					p.shoot(r.name + "-" + l.name)
					if strings.Contains(eval[string](p, "document.documentElement.outerHTML"), "not-for-your-eyes") {
						t.Error("the page holds a password")
					}
				})
			}
		})
	}
}

// aTarget returns the query of the page of some target.
func (w *world) aTarget() string {
	var page struct {
		Targets []struct{ Component, Key string }
	}
	if err := json.Unmarshal([]byte(w.nodes["a"].get("/api/v0/fleet/targets?limit=1")), &page); err != nil || len(page.Targets) == 0 {
		w.t.Fatalf("list targets: %v, %d of them", err, len(page.Targets))
	}
	return "component=" + page.Targets[0].Component + "&key=" + page.Targets[0].Key
}
