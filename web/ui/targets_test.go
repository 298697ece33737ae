package ui

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

func TestALinkAsksForTargets(t *testing.T) {
	f := func(query string, want report.Query) {
		t.Helper()
		want.Limit = targetRows
		u, fleet := stored(t, "broken")
		if code, main := get(t, u, "/targets"+query); code != 200 {
			t.Errorf("%s: status %d: %s", query, code, main)
		}
		if diff := cmp.Diff(&want, fleet.asked); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	f("", report.Query{})
	f("?q=+node+", report.Query{Text: "node"})
	f("?q="+url.QueryEscape(`{job="a"}`), report.Query{Matchers: `{job="a"}`})
	f("?l="+url.QueryEscape(`{job="a"}`)+"&q=b", report.Query{Matchers: `{job="a"}`, Text: "b"})
	f("?component=c&owner=n1&health=down&sort=-samples&offset=100", report.Query{
		Component: "c", Owner: "n1", Health: "down", Sort: "-samples", Offset: 100,
	})
	f("?offset=-3", report.Query{})
	f("?offset=x", report.Query{})
}

func TestWhatWasChosenStaysOnOffer(t *testing.T) {
	u, _ := stored(t, "broken")
	_, main := get(t, u, "/targets?owner=gone&component=old")
	for _, want := range []string{`<option value="gone" selected>`, `<option value="old" selected>`} {
		if !strings.Contains(main, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestDroppedTargetsAreCountedByRule(t *testing.T) {
	gone := func(addr, rule string) status.Relabelling {
		return status.Relabelling{
			Component: "discovery.relabel.a", Before: labelsOf("__address__", addr),
			Steps: []status.Rule{{Rule: "replace: a", Labels: labelsOf("__address__", addr), Kept: true}, {Rule: rule}},
		}
	}
	kept := gone("kept:1", "")
	kept.Steps = kept.Steps[:1]
	all := []status.Relabelling{gone("b:10", "drop: x"), kept, gone("b:9", "drop: x"), gone("a:1", "keep: y")}
	f := func(query string, rules []ruleCount, names ...string) {
		t.Helper()
		page := listDropped(linkOf(httptest.NewRequest("GET", "/dropped"+query, nil)), all)
		var got []string
		for _, w := range page.Rows {
			got = append(got, w.Name())
		}
		if diff := cmp.Diff(rules, page.Rules) + cmp.Diff(names, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	f("", []ruleCount{{"drop: x", 2}, {"keep: y", 1}}, "a:1", "b:9", "b:10")
	f("?q=B:1", []ruleCount{{"drop: x", 1}}, "b:10")
	f("?q=nothing", nil)
}

// manyTargets returns a UI over n targets that three nodes share, and of which
// this one tells the scrapes, at the time that now points to.
func manyTargets(b testing.TB, n int, clock *time.Time) *UI {
	now := *clock
	list := make([]status.Target, n)
	for i := range list {
		address := fmt.Sprintf("10.%d.%d.%d:9100", i>>16, i>>8&255, i&255)
		ls := labelsOf("cluster", "west", "env", []string{"prod", "test"}[i%2], "instance", address, "job", "node", "rack", fmt.Sprint("r", i%97))
		list[i] = status.Target{
			Component: "prometheus.scrape.nodes", Key: owner.TargetKey(ls), Job: "node",
			URL: "http://" + address + "/metrics", Labels: ls, Interval: 15 * time.Second, Clustered: true, Health: status.Up,
			Scrape: status.Scrape{Slot: now, At: now, Duration: time.Duration(i) * time.Microsecond, Bytes: 40_000, Samples: i, Kept: i},
		}
	}
	reporter := report.New(report.Config{
		Self: "a", View: cell.New(owner.NewView(owner.Member{Name: "a"}, owner.Member{Name: "b"}, owner.Member{Name: "c"})),
		Targets: func() []status.Target { return list }, Now: func() time.Time { return *clock },
	})
	u, _ := stored(b, "whole")
	u.cfg.Fleet = reporter
	return u
}

// A page of 10,000 targets, with everything made anew: what the reporter keeps
// for a second is not used again.
func BenchmarkTargetsPage(b *testing.B) {
	for _, query := range []string{"", "?q=10.0.39", `?q={env="prod"}&sort=-samples`, "?sort=owner&offset=5000"} {
		b.Run("query="+query, func(b *testing.B) {
			now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
			u := manyTargets(b, 10_000, &now)
			for b.Loop() {
				now = now.Add(time.Minute)
				w := httptest.NewRecorder()
				u.ServeHTTP(w, httptest.NewRequest("GET", "/divvy/targets"+strings.ReplaceAll(query, `"`, "%22"), nil))
				if w.Code != 200 || w.Body.Len() < 10_000 {
					b.Fatalf("status %d, %d bytes", w.Code, w.Body.Len())
				}
			}
		})
	}
}
