package sim

import (
	"fmt"
	"iter"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// A Tally is what became of the slots of a stretch of time.
type Tally struct {
	Slots, Missed, Doubled, Late int
	Hole                         time.Duration // longest time between two serves of a key
}

func (t Tally) String() string {
	return fmt.Sprintf("%d slots: %d missed, %d doubled, %d late, longest hole %s", t.Slots, t.Missed, t.Doubled, t.Late, t.Hole)
}

// Tally counts the slots between two times since the start.
func (w *World) Tally(from, to time.Duration) Tally {
	return w.TallyOf(from, to, func(*Node) bool { return true })
}

// TallyOf counts the slots as the nodes that ok accepts served them.
func (w *World) TallyOf(from, to time.Duration, ok func(*Node) bool) Tally {
	var t Tally
	for i := range w.keys {
		last := w.start.Add(from)
		for s := range w.slots(i, from, to) {
			got := w.at(i, s).of(ok)
			t.enter(s, got, tickEvery+w.cfg.Skew)
			if got.count > 0 && got.at[0].After(last) {
				t.Hole = max(t.Hole, got.at[0].Sub(last))
				last = got.at[0]
			}
		}
		t.Hole = max(t.Hole, w.start.Add(to).Sub(last))
	}
	return t
}

func (t *Tally) enter(slot time.Time, got serves, tolerance time.Duration) {
	t.Slots++
	switch {
	case got.count == 0:
		t.Missed++
		return
	case got.count > 1:
		t.Doubled++
	}
	if got.at[0].Sub(slot) > tolerance {
		t.Late++
	}
}

// slots returns the slots of a key between two times since the start.
func (w *World) slots(key int, from, to time.Duration) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		end := w.start.Add(to)
		for s := owner.NextSlot(w.keys[key], w.cfg.Interval, w.start.Add(from)); s.Before(end) && yield(s); {
			s = s.Add(w.cfg.Interval)
		}
	}
}

// at returns who served a slot of a key.
func (w *World) at(key int, slot time.Time) *serves {
	if n := w.slot(slot); n < len(w.served[key]) {
		return &w.served[key][n]
	}
	return &serves{}
}

// Agreed reports whether every running node names the same owner of every key,
// who serves.
func (w *World) Agreed() bool { return w.Owners() != nil }

// Owners returns the name of every key's owner, or nil if nodes disagree or
// somebody does not serve what it owns.
func (w *World) Owners() []string {
	var owners []string
	serving := map[string]bool{}
	for _, n := range w.nodes {
		if n.running() && n.roster.Stage() == roster.Serving {
			serving[n.Name] = true
		}
	}
	for _, n := range w.nodes {
		if !n.running() {
			continue
		}
		view := w.viewOf(n.roster)
		for i, key := range w.keys {
			m, ok := view.Owner(key, n.clock())
			switch {
			case !ok || !serving[m.Name]:
				return nil
			case len(owners) <= i:
				owners = append(owners, m.Name)
			case owners[i] != m.Name:
				return nil
			}
		}
	}
	return owners
}
