package ui

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A page that is open shows that a node has died, without being loaded again.
func TestKilledNodeIsShownWithoutAReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	w.start("a", "b", "c")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/clustering"))
	p.until("all nodes serve", `["a", "b", "c"].every(n => document.querySelector("#node-" + n)?.innerText.includes("serving"))`)
	p.shoot("alive")
	eval[bool](p, `window.same = true`)
	began := time.Now()
	w.nodes["c"].kill()
	p.until("the death of c is told", `document.querySelector("#events").innerText.includes("died")`)
	t.Logf("the page told the death %s after the kill", time.Since(began).Round(100*time.Millisecond))
	p.until("c does not serve", `!document.querySelector("#node-c .badge")?.innerText.includes("serving")`)
	if !eval[bool](p, `window.same === true`) {
		t.Error("the page was loaded again")
	}
	p.accessible()
	p.shoot("killed")
	p.visit(w.nodes["a"].url("/targets?owner=c"))
	p.sees("none matched of 52")
}

// Where a label differs from node to node every page says so, in red, and the
// page Clustering names the label.
func TestBrokenCoverageIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.config = strings.Replace(w.config, "MORE", `
  rule {
    target_label = "collector"
    replacement  = sys.env("NODE")
  }`, 1)
	w.start("a", "b", "c")
	p := openTab(t, looks[0])
	p.visit(w.nodes["b"].url("/"))
	p.until("the strip is red", `document.querySelector("#strip.bad") !== null`)
	p.visit(w.nodes["b"].url("/clustering"))
	p.until("the label is named", `document.querySelector("#coverage").innerText.includes("collector")`)
	for _, l := range looks {
		p.look(l)
		p.accessible()
		p.fits()
		p.shoot("broken-" + l.name)
	}
}

// rendering is how long a page with all targets of a large fleet may take, from
// the click to the last pixel, on a machine that does other things as well.
const rendering = time.Second

// With ten thousand targets each page is there within a second.
func TestTenThousandTargetsRenderInASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 11700) // a seventh is dropped by a rule
	w.config = strings.Replace(w.config, `"2s"`, `"60s"`, 1)
	w.start("a", "b", "c")
	p := openTab(t, looks[0])
	p.visit(w.nodes["b"].url("/targets"))
	p.until("all targets are known", `document.querySelector("main").innerText.includes("of 10,0")`)
	f := func(path string) {
		t.Helper()
		best := time.Hour
		for n := 0; n < 2 || n < 10 && best > rendering; n++ { // other tests may be at work
			p.visit(w.nodes["b"].url(path))
			p.until("the page is painted", `performance.getEntriesByType("paint").length > 0 && performance.getEntriesByType("navigation")[0].loadEventEnd > 0`)
			ms := eval[float64](p, `Math.max(performance.getEntriesByType("navigation")[0].loadEventEnd, ...performance.getEntriesByType("paint").map(e => e.startTime))`)
			best = min(best, time.Duration(ms*float64(time.Millisecond)))
		}
		server := eval[float64](p, `(n => n.responseEnd - n.requestStart)(performance.getEntriesByType("navigation")[0])`)
		fmt.Printf("    %-60s %4d ms, of which the server about %.0f\n", path, best.Milliseconds(), server)
		if best > rendering {
			t.Errorf("%s takes %s", path, best)
		}
	}
	f("/targets")
	f("/targets?sort=-samples&offset=5000")
	f("/targets?q=" + url.QueryEscape(`{shop="s3"}`))
	f("/clustering")
	f("/target?" + w.aTarget())
	f("/component/prometheus.scrape.shops")
	p.shoot("ten-thousand")
}
