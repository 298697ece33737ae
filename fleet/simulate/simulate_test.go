package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// play runs a simulation of n targets and fails the test if it is refused.
func play(t *testing.T, nodes string, n int, events string) Result {
	t.Helper()
	cfg := config(t, nodes, n, events)
	r, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func config(t *testing.T, nodes string, n int, events string) Config {
	t.Helper()
	var cfg Config
	var err error
	if cfg.Nodes, err = ParseNodes(nodes); err != nil {
		t.Fatal(err)
	}
	if cfg.Targets, err = Targets(n, Target{Interval: 15 * time.Second, Samples: 200}); err != nil {
		t.Fatal(err)
	}
	if cfg.Events, err = ParseEvents(events); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPlannedChangesCostNoSlot(t *testing.T) {
	r := play(t, "3", 2000, "10s:join d,12s:join e,60s:leave a,61s:restart b,100s:leave c,101s:leave d,102s:leave e")
	for _, s := range r.Steps {
		if s.Late+s.Missed+s.Doubled > 0 {
			t.Errorf("%s %s at %s: %d late, %d missed, %d doubled", s.Do, s.Node, s.At, s.Late, s.Missed, s.Doubled)
		}
	}
}

func TestJoinMovesOnlyToNewcomerAndLeaveOnlyFromLeaver(t *testing.T) {
	r := play(t, "5", 2000, "10s:join x,60s:leave x,90s:kill a")
	f := func(step int, from, to string) {
		t.Helper()
		s := r.Steps[step]
		sum := 0
		for _, m := range s.Moves {
			sum += m.Targets
			if from != "" && m.From != from || to != "" && m.To != to {
				t.Errorf("%s %s moves %d from %s to %s", s.Do, s.Node, m.Targets, m.From, m.To)
			}
		}
		if sum != s.Moved || sum == 0 || sum > 2*2000/5 {
			t.Errorf("%s %s moves %d targets, in all %d", s.Do, s.Node, sum, s.Moved)
		}
	}
	f(0, "", "x")
	f(1, "x", "")
	f(2, "a", "")
	if diff := cmp.Diff(r.Start, r.Steps[1].After); diff != "" {
		t.Errorf("who joined and left again has changed the division (-before +after)\n%s", diff)
	}
}

// A crash costs no more than a slot of each target of the dead node, when the
// interval is longer than it takes to be noticed.
func TestCrashCostsOneSlotOfTheDeadNodesTargets(t *testing.T) {
	f := func(deed Deed, dark time.Duration) {
		t.Helper()
		r := play(t, "3", 3000, fmt.Sprintf("20.1s:%s b", deed))
		s := r.Steps[0]
		if bad := s.Late + s.Missed + s.Doubled; bad == 0 || bad > s.Moved {
			t.Errorf("%s: %d slots went wrong of %d targets", deed, bad, s.Moved)
		}
		due := float64(s.Moved) * dark.Seconds() / 15
		if got := float64(s.Late + s.Missed); got < due*0.6 || got > due*1.4 {
			t.Errorf("%s: %.0f slots late or missed; %.0f are due while nobody knows", deed, got, due)
		}
		if s.Missed > s.Late/3 {
			t.Errorf("%s: %d missed, %d late: heirs catch up", deed, s.Missed, s.Late)
		}
	}
	f(Kill, time.Second)
	f(Vanish, 3500*time.Millisecond)
}

func TestNobodyIsLeft(t *testing.T) {
	r := play(t, "1", 100, "10s:kill a,40s:join b")
	if s := r.Steps[0]; s.After.Unowned != 100 || s.Missed < 180 || s.Missed > 220 || s.Late > 0 {
		t.Errorf("%d unowned, %d missed, %d late; want 100, about 200 in 30 s, 0", s.After.Unowned, s.Missed, s.Late)
	}
	if s := r.Steps[1]; s.Settled != s.At || s.After.Unowned != 0 || !slices.Equal(s.Moves, []Move{{From: "", To: "b", Targets: 100}}) {
		t.Errorf("a node that is alone serves at once: %+v", s)
	}
}

func TestDivisionAddsUp(t *testing.T) {
	d := play(t, "a@2,b,c", 3000, "").Start
	targets, samples, ofMean := 0, 0.0, 0.0
	for _, s := range d.Shares {
		targets += s.Targets
		samples += s.SamplesPerSecond
		ofMean += s.OfMean * max(s.Capacity, 1) / 4
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.9999 || got > want*1.0001 {
			t.Errorf("%s is %g; want %g", what, got, want)
		}
	}
	near("sum of targets", float64(targets), 3000)
	near("mean of targets", d.Mean, 1000)
	near("samples per second", samples, 3000*200/15)
	near("mean of loads", ofMean, 1)
	if d.Busiest == "a" || d.OfMean < 1 {
		t.Errorf("busiest is %s with %g; a has twice the capacity", d.Busiest, d.OfMean)
	}
}

func TestEventsThatCannotHappenAreRefused(t *testing.T) {
	f := func(events, want string) {
		t.Helper()
		if _, err := Run(config(t, "3", 1, events)); err == nil || err.Error() != want {
			t.Errorf("%s: error is %v; want %s", events, err, want)
		}
	}
	f("1s:join a", `event "1s:join a": a is there already`)
	f("1s:leave x", `event "1s:leave x": x is not there`)
	f("1s:kill a,2s:kill a", `event "2s:kill a": a is not there`)
	f("1s:leave a,2s:leave a", `event "2s:leave a": a is leaving already`)
	f("1s:leave a,2s:join a,3s:join b", "event \"2s:join a\": a is there already\nevent \"3s:join b\": b is there already")
	if _, err := Run(Config{Nodes: []Node{{Name: "a"}, {Name: "a"}}, Targets: []Target{{Name: "x"}}}); err == nil ||
		err.Error() != "node a is there twice\ninterval of target x is not positive" {
		t.Errorf("error is %v", err)
	}
}

// An actor of the dumb twin is one process. It does what a node's clock does,
// slot by slot, with whatever it knows.
type actor struct {
	*life
	view owner.View
}

// dumbCounts plays all slots of all targets from the start to the end, with
// every node as an actor of its own, and counts how often each was served.
func dumbCounts(w *world, until time.Duration) (late, missed, doubled int) {
	type slotID struct {
		target int
		at     time.Time
	}
	served, caught, due := map[slotID]int{}, map[slotID]bool{}, []slotID{}
	moments := []time.Time{}
	for _, e := range w.editions {
		moments = append(moments, e.at)
	}
	for i, target := range w.cfg.Targets {
		for at := owner.NextSlot(target.Key, target.Interval, start); at.Before(start.Add(until)); at = at.Add(target.Interval) {
			due = append(due, slotID{i, at})
			moments = append(moments, at)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	var actors []*actor
	for _, l := range w.lives {
		actors = append(actors, &actor{life: l})
	}
	isSelf := func(a *actor, m owner.Member) bool { return m.Name == a.Name && m.From.Equal(a.From) }
	for _, now := range moments {
		for _, a := range actors {
			if !a.alive(now) {
				continue
			}
			before, news := a.view, false
			for _, e := range w.editions {
				if e.at.Equal(now) || e.at.Before(now) && len(before.Members()) == 0 {
					a.view, news = e.view, true
				}
			}
			for i, target := range w.cfg.Targets {
				slot := owner.Slot(target.Key, target.Interval, now)
				if !news && !slot.Equal(now) {
					continue
				}
				m, ok := a.view.Owner(target.Key, slot)
				if !ok || !isSelf(a, m) {
					continue
				}
				former, owned := before.Owner(target.Key, slot)
				switch {
				case slot.Equal(now):
					served[slotID{i, slot}]++
				case len(before.Members()) == 0 || owned && isSelf(a, former):
				case slot.Add(target.Interval).Sub(now) >= minGap:
					served[slotID{i, slot}]++
					caught[slotID{i, slot}] = true
				}
			}
		}
	}
	for _, s := range due {
		switch n := served[s]; {
		case n == 0:
			missed++
		case n > 1:
			doubled++
		case caught[s]:
			late++
		}
	}
	return late, missed, doubled
}

func TestSlotsEqualTheDumbOnes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		cfg := config(t, "4", 20, "")
		for i := range cfg.Targets {
			cfg.Targets[i].Interval = time.Duration(1+rnd.IntN(20)) * time.Second
		}
		cfg.Timings = cfg.Timings.defaulted()
		const last = 60
		for at := time.Duration(2); at < last; at += time.Duration(1 + rnd.IntN(8)) {
			e := Event{At: at * time.Second, Do: []Deed{Join, Leave, Kill, Vanish}[rnd.IntN(4)], Node: nameOf(rnd.IntN(6))}
			if _, err := newWorld(&Config{Nodes: cfg.Nodes, Events: append(slices.Clone(cfg.Events), e), Timings: cfg.Timings}); err == nil {
				cfg.Events = append(cfg.Events, e)
			}
		}
		// At last somebody comes, so that what is missed while nobody is there ends.
		cfg.Events = append(cfg.Events, Event{At: last * time.Second, Do: Join, Node: "last"})
		w, err := newWorld(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		steps := make([]Step, len(cfg.Events))
		w.countSlots(steps)
		var got [3]int
		for _, s := range steps {
			got[0] += s.Late
			got[1] += s.Missed
			got[2] += s.Doubled
		}
		late, missed, doubled := dumbCounts(w, 100*time.Second)
		if want := [3]int{late, missed, doubled}; got != want {
			t.Errorf("round %d: late, missed, doubled are %v; want %v\n%+v", round, got, want, cfg.Events)
		}
	}
}
