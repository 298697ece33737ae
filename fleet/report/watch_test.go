package report

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// within waits for cond to become true, and fails the test if that takes longer
// than limit. It returns how long it took.
func within(t *testing.T, limit time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !cond() {
		if time.Since(begin) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

// A fault is named by every node within an interval of its beginning, and the
// time of one look.
func TestFaultsAreNamedWithinAnInterval(t *testing.T) {
	f := func(name, want string, spoil func(w *town)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, "a", "b", "c")
				w.know(func(string) []string { return hosts(30) })
				stop := w.run()
				defer stop()
				time.Sleep(17300 * time.Millisecond)
				if c := w.coverage("a"); c.Targets != 30 || c.Unowned+c.Multiple+len(c.Disagree)+len(c.Faults) > 0 {
					t.Fatalf("all is well, and coverage is %+v", c)
				}
				spoil(w)
				for _, node := range w.names {
					within(t, interval+2*time.Second, "named by "+node, func() bool {
						c := w.coverage(node)
						for _, f := range c.Faults {
							if strings.Contains(f.Text, want) {
								return c.Unowned+c.Multiple > 0
							}
						}
						return false
					})
				}
				c := w.coverage("a")
				if got := w.metric("b", "divvy_fleet_targets_unowned"); got != float64(c.Unowned) {
					t.Errorf("divvy_fleet_targets_unowned is %v; coverage says %d", got, c.Unowned)
				}
				if got := w.metric("b", "divvy_fleet_targets_multiple"); got != float64(c.Multiple) {
					t.Errorf("divvy_fleet_targets_multiple is %v; coverage says %d", got, c.Multiple)
				}
				if got := w.metric("b", "divvy_fleet_nodes_disagreeing"); got != float64(len(c.Disagree)) {
					t.Errorf("divvy_fleet_nodes_disagreeing is %v; coverage says %v", got, c.Disagree)
				}
				if verdict := w.houses["c"].Fleet(t.Context()).Verdict; len(verdict) == 0 || !strings.Contains(verdict[0], component) {
					t.Errorf("the verdict is %q", verdict)
				}
				w.know(func(string) []string { return hosts(30) })
				for _, h := range w.houses {
					h.view.Set(w.houses["a"].view.Load())
				}
				within(t, maxWatch, "mended", func() bool {
					c := w.coverage("a")
					return c.Unowned+c.Multiple+len(c.Disagree)+len(c.Faults) == 0
				})
			})
		})
	}
	f("label", "label `instance` differs", func(w *town) {
		w.know(func(node string) []string { return each(hosts(30), "instance="+node) })
	})
	f("missing", "b does not find it", func(w *town) { w.houses["b"].know(hosts(10)...) })
	f("nothing", "b does not find it", func(w *town) { w.houses["b"].know() })
	f("selfish", "b scrapes all targets", func(w *town) {
		w.houses["b"].shares = false
		w.houses["b"].know(hosts(30)...)
		w.houses["b"].shares = true // when it knows targets again
	})
	f("views", "do not agree on who is in the cluster", func(w *town) {
		v := w.houses["b"].view
		v.Set(owner.NewView(v.Load().Members()[:2]...))
	})
}

// A label that is another one at each refresh of discovery is found, though no
// target is known for as long as an interval.
func TestFreshLabelsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(30) })
		stop := w.run()
		defer stop()
		time.Sleep(11 * time.Second)
		n := 0
		refresh := func() {
			w.know(func(node string) []string {
				n++
				return each(hosts(30), fmt.Sprintf("__param_sig=%d", n))
			})
		}
		begin := time.Now()
		for time.Since(begin) < interval+2*time.Second {
			refresh()
			time.Sleep(interval / 5)
		}
		for _, node := range w.names {
			c := w.coverage(node)
			if len(c.Faults) == 0 || c.Unowned == 0 || !strings.Contains(c.Faults[0].Text, "URL parameter `sig` has a fresh value each time") {
				t.Errorf("%s says %+v", node, c)
			}
			if c.Targets != 30 {
				t.Errorf("%s counts %d targets", node, c.Targets)
			}
		}
	})
}

// Discovery that reaches one node before the other is no fault, however often it
// happens.
func TestHonestChangesAreNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(5) })
		stop := w.run()
		defer stop()
		for n := range 100 {
			targets := append(hosts(5), fmt.Sprintf("10.0.1.%d:9100", n))
			for _, node := range w.names {
				w.houses[node].know(targets...)
				time.Sleep(700 * time.Millisecond)
				if c := w.coverage("a"); len(c.Faults)+c.Unowned+c.Multiple > 0 {
					t.Fatalf("after %d changes: %+v", n, c)
				}
			}
		}
	})
}

// A change of members that not all have heard of for a moment is no fault.
func TestTransitionsAreNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(30) })
		stop := w.run()
		defer stop()
		for range 10 {
			members := w.houses["a"].view.Load().Members()
			leaves := append([]owner.Member{}, members...)
			leaves[2].Until = time.Now().Add(5 * time.Second)
			for _, view := range []owner.View{owner.NewView(leaves...), owner.NewView(members...)} {
				for _, h := range w.houses {
					h.view.Set(view)
					time.Sleep(300 * time.Millisecond)
				}
				for range 40 {
					time.Sleep(250 * time.Millisecond)
					if c := w.coverage("a"); len(c.Faults)+c.Unowned+c.Multiple > 0 {
						t.Fatalf("%+v", c)
					}
				}
			}
		}
	})
}

// Too few members leave every target unscraped, and that is said.
func TestBelowTheQuorumNothingIsCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b")
		for _, h := range w.houses {
			h.view.Set(h.view.Load().WithQuorum(owner.Quorum{Size: 3}))
		}
		w.know(func(string) []string { return hosts(30) })
		stop := w.run()
		defer stop()
		time.Sleep(2 * interval)
		if c := w.coverage("a"); c.Unowned != 30 {
			t.Errorf("%+v", c)
		}
		page, err := w.houses["a"].Targets(t.Context(), Query{})
		if err != nil || page.Targets[0].Owner != "" || page.Targets[0].Why != "fewer than 3 members: nobody serves" {
			t.Errorf("%+v, %v", page.Targets[0], err)
		}
	})
}

// A configuration that differs for longer than a minute is a drift, with files
// and components.
func TestDriftIsNamedAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		for _, h := range w.houses {
			h.node.Config = Configuration{Files: map[string]string{"x.alloy": "1", "y.alloy": "1"}, Components: map[string]string{"k.a": "1", "k.b": "1"}}
		}
		stop := w.run()
		defer stop()
		time.Sleep(10 * time.Second)
		b := w.houses["b"]
		b.mu.Lock()
		b.config = "other"
		b.node.Config.Files = map[string]string{"x.alloy": "1", "y.alloy": "2"}
		b.node.Config.Components = map[string]string{"k.a": "1", "k.b": "2", "k.c": "1"}
		b.mu.Unlock()
		time.Sleep(55 * time.Second)
		if f := w.houses["c"].Fleet(t.Context()); len(f.Drift) > 0 {
			t.Errorf("after 55 s: %+v", f.Drift)
		}
		time.Sleep(15 * time.Second)
		for _, node := range w.names {
			f := w.houses[node].Fleet(t.Context())
			if len(f.Drift) != 1 || fmt.Sprint(f.Drift[0].Nodes, f.Drift[0].Files, f.Drift[0].Components) != "[b] [y.alloy] [k.b k.c]" {
				t.Errorf("%s: %+v", node, f.Drift)
			}
			if len(f.Verdict) != 1 || !strings.Contains(f.Verdict[0], "node b runs another configuration than most") {
				t.Errorf("%s: %q", node, f.Verdict)
			}
			if got := w.metric(node, "divvy_fleet_config_drift_nodes"); got != 1 {
				t.Errorf("%s: divvy_fleet_config_drift_nodes is %v", node, got)
			}
		}
	})
}

// A node that is stopped delays nobody for longer than two seconds, and is
// named; in the meantime it is not asked again by everybody who looks.
func TestSilentNodesDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(30) })
		c := w.houses["c"]
		c.stopped.Store(true)
		begin := time.Now()
		f := w.houses["a"].Fleet(t.Context())
		if took := time.Since(begin); took > patience+10*time.Millisecond {
			t.Errorf("status took %s", took)
		}
		if len(f.Nodes) != 2 || len(f.Silent) != 1 || f.Silent[0].Name != "c" || f.Silent[0].Reason != "no answer within 2s" {
			t.Errorf("%+v", f)
		}
		begin = time.Now()
		page, err := w.houses["a"].Targets(t.Context(), Query{Owner: "c", Limit: 100})
		if took := time.Since(begin); err != nil || took > patience+10*time.Millisecond {
			t.Errorf("targets took %s, %v", took, err)
		}
		if page.Total != 30 || page.Matched == 0 || len(page.Silent) != 1 {
			t.Errorf("%d of %d targets are the silent node's; silent: %v", page.Matched, page.Total, page.Silent)
		}
	})
}

// The top of a page says what was heard last, and that is renewed meanwhile.
func TestVerdictWaitsForNobodyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.houses["c"].stopped.Store(true)
		a := w.houses["a"]
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); a.Run(ctx) }()
		if first := a.Verdict(t.Context()); len(first) == 0 {
			t.Error("a silent node is no problem")
		}
		w.houses["c"].stopped.Store(false)
		for range 5 {
			time.Sleep(3 * time.Second)
			begin := time.Now()
			a.Verdict(t.Context())
			if took := time.Since(begin); took != 0 {
				t.Errorf("verdict took %s", took)
			}
		}
		if last := a.Verdict(t.Context()); len(last) != 0 {
			t.Errorf("nobody has asked since all answer: %q", last)
		}
		cancel()
		<-ended
	})
}

// Ten open pages do not ask ten times.
func TestAnswersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(30) })
		for range 10 {
			go w.houses["a"].Fleet(t.Context())
			go w.houses["a"].Targets(t.Context(), Query{})
			go w.houses["a"].Events(t.Context())
		}
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if got := w.houses["b"].asked; got != 3 {
			t.Errorf("b was asked %d times; want 3", got)
		}
		time.Sleep(fresh)
		w.houses["a"].Fleet(t.Context())
		if got := w.houses["b"].asked; got != 4 {
			t.Errorf("b was asked %d times after a second; want 4", got)
		}
	})
}
