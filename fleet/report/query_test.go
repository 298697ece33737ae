package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// tableOf returns a table of random targets.
func tableOf(r *rand.Rand, n int) table {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	tab := table{at: now, view: owner.NewView(owner.Member{Name: "a"}, owner.Member{Name: "b"})}
	for i := range n {
		health := []string{status.Up, status.Down, status.Unknown}[r.IntN(3)]
		tab.rows = append(tab.rows, row{
			Target: status.Target{
				Component: []string{"x", "y"}[r.IntN(2)], Key: owner.Key(r.Uint64()), Job: "j", URL: fmt.Sprintf("http://h:%d/", r.IntN(n)),
				Labels: labels.FromStrings("n", fmt.Sprint(i%7)), Interval: time.Minute, Clustered: true, Health: health,
				Scrape: status.Scrape{Duration: time.Duration(r.IntN(5)), Samples: r.IntN(5)},
			},
			owners: []string{[]string{"a", "b"}[r.IntN(2)]},
		})
	}
	return tab
}

// A target is found by its URL with its secrets and as it is shown.
func TestTargetIsFoundByItsURLWithSecrets(t *testing.T) {
	shown := row{Target: status.Target{URL: status.HidePasswords("http://me:hunter2@h/?token=hunter2&module=a")}}
	f := func(url string, found bool) {
		t.Helper()
		m, err := Query{URL: url}.compile()
		if err != nil {
			t.Fatal(err)
		}
		if m.matches(&shown, "") != found {
			t.Errorf("%s: found %t", url, !found)
		}
	}
	f("http://me:hunter2@h/?token=hunter2&module=a", true)
	f(shown.URL, true)
	f("http://me:hunter2@h/?token=hunter2&module=b", false)
}

// Pages of any query put together are what the query selects, in order.
func TestPagesAreTheWholeInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tab := tableOf(r, 100)
	less := map[string]func(a, b *Placement) bool{
		"url":      func(a, b *Placement) bool { return a.URL < b.URL },
		"owner":    func(a, b *Placement) bool { return a.Owner < b.Owner },
		"duration": func(a, b *Placement) bool { return a.Duration < b.Duration },
		"samples":  func(a, b *Placement) bool { return a.Samples < b.Samples },
		"health":   func(a, b *Placement) bool { return ill[a.Health] < ill[b.Health] },
	}
	for name, before := range less {
		for _, q := range []Query{{}, {Component: "x"}, {Owner: "b"}, {Health: status.Down}, {Matchers: `{n=~"[0-3]"}`}, {Text: "h:1"}} {
			var all []Placement
			want := 0
			for i := range tab.rows {
				p := tab.placement(&tab.rows[i])
				ok := (q.Component == "" || p.Component == q.Component) && (q.Owner == "" || p.Owner == q.Owner) &&
					(q.Health == "" || p.Health == q.Health) && (q.Matchers == "" || p.Labels.Get("n") < "4") &&
					(q.Text == "" || strings.Contains(p.URL, q.Text))
				if ok {
					want++
				}
			}
			for q.Sort, q.Limit, q.Offset = name, 7, 0; ; q.Offset += 7 {
				m, err := q.compile()
				if err != nil {
					t.Fatal(err)
				}
				page := tab.page(m)
				if page.Total != 100 || page.Matched != want {
					t.Fatalf("%+v: %d of %d; want %d of 100", q, page.Matched, page.Total, want)
				}
				if len(page.Targets) == 0 {
					break
				}
				all = append(all, page.Targets...)
			}
			if len(all) != want {
				t.Errorf("%+v: pages have %d targets; want %d", q, len(all), want)
			}
			if !slices.IsSortedFunc(all, func(a, b Placement) int {
				switch {
				case before(&a, &b):
					return -1
				case before(&b, &a):
					return 1
				}
				return 0
			}) {
				t.Errorf("%+v: not in order", q)
			}
		}
	}
}

func TestWrongQueriesAreExplained(t *testing.T) {
	f := func(q Query, want string) {
		t.Helper()
		if _, err := q.compile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", q, err, want)
		}
	}
	f(Query{Health: "ill"}, `health "ill"`)
	f(Query{Sort: "name"}, `sort "name"`)
	f(Query{Offset: -1}, "must not be negative")
	f(Query{Matchers: "{"}, "closing brace")
}

// Every node tells the same of who scrapes what, and it is who does.
func TestPlacementsAreThoseOfTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(60) })
		w.houses["c"].know(hosts(55)...)
		view := w.houses["a"].view.Load()
		for _, node := range w.names {
			page, err := w.houses[node].Targets(t.Context(), Query{Limit: 100})
			if err != nil || page.Total != 60 {
				t.Fatalf("%s: %d targets, %v", node, page.Total, err)
			}
			for _, p := range page.Targets {
				m, _ := view.Owner(p.Key, p.Next)
				known := len(p.Known) == 3
				switch {
				case !known && m.Name == "c":
					if p.Owner != "" || p.Why != "c is to scrape it and does not know it" || p.Health != status.Unknown {
						t.Errorf("%s says of %s: %+v", node, p.URL, p)
					}
				case p.Owner != m.Name || p.Health != status.Up || p.Samples != 10:
					t.Errorf("%s says of %s: %+v", node, p.URL, p)
				case p.Why != "first of 3 nodes clockwise from its key on the ring":
					t.Errorf("%s says of %s: %s", node, p.URL, p.Why)
				}
				if !p.Next.Equal(owner.NextSlot(p.Key, p.Interval, time.Now())) {
					t.Errorf("%s says that the next slot of %s is %s", node, p.URL, p.Next)
				}
			}
		}
	})
}

// Of a component that shares nothing each node has its own targets.
func TestTargetsThatAreNotSharedAreEachNodesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b")
		for _, h := range w.houses {
			h.shares = false
		}
		w.know(func(node string) []string { return append(hosts(2), "own-"+node+":1") })
		page, err := w.houses["b"].Targets(t.Context(), Query{Sort: "owner"})
		if err != nil || page.Total != 6 {
			t.Fatalf("%d targets, %v", page.Total, err)
		}
		for i, p := range page.Targets {
			if want := []string{"a", "b"}[i/3]; p.Owner != want || !slices.Equal(p.Known, []string{want}) || p.Health != status.Up {
				t.Errorf("%+v; want one of %s", p, want)
			}
		}
	})
}

// A node of other software is named as the owner of what is its own, and as one
// that does not answer.
func TestNodesOfOtherSoftwareAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b")
		members := append([]owner.Member{{Name: "alloy", Peer: true}}, w.houses["a"].view.Load().Members()...)
		for _, h := range w.houses {
			h.view.Set(owner.NewView(members...))
			h.peers = append(h.peers, Peer{Name: "alloy", Addr: "alloy:1", State: "participant", Foreign: true})
		}
		w.know(func(string) []string { return hosts(30) })
		page, err := w.houses["a"].Targets(t.Context(), Query{Owner: "alloy"})
		if err != nil || page.Matched == 0 || page.Silent[0].Reason != "of other software" {
			t.Errorf("%d targets, silent %v, %v", page.Matched, page.Silent, err)
		}
		stop := w.run()
		defer stop()
		time.Sleep(3 * interval)
		if f := w.houses["a"].Fleet(t.Context()); len(f.Verdict) > 0 || w.metric("a", "divvy_fleet_silent_nodes") != 0 {
			t.Errorf("the verdict is %q", f.Verdict)
		}
	})
}

// A fleet of one answers without a cluster.
func TestOneNodeIsAFleet(t *testing.T) {
	r := New(Config{Self: "me", View: cell.New(owner.Alone("me")), Targets: func() []status.Target {
		return []status.Target{{Component: "x", Key: 1, URL: "http://h/", Interval: time.Minute, Clustered: true, Health: status.Unknown}}
	}})
	f := r.Fleet(t.Context())
	if len(f.Nodes) != 1 || f.Nodes[0].Name != "me" || len(f.Silent) != 0 || f.Nodes[0].Load.Owned != 1 {
		t.Errorf("%+v", f)
	}
	page, err := r.Targets(t.Context(), Query{URL: "http://h/"})
	if err != nil || page.Matched != 1 || page.Targets[0].Owner != "me" || page.Targets[0].Why != "the only node that serves" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := r.Detail(t.Context(), "x", 2); err == nil || err.Error() != `no node knows a target of "x" with the key 2` {
		t.Errorf("%v", err)
	}
}
