package sim

import (
	"fmt"
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
	var t Tally
	begin, end := w.start.Add(from), w.start.Add(to)
	for i, key := range w.keys {
		last := begin
		for s := owner.NextSlot(key, w.cfg.Interval, begin); s.Before(end); s = s.Add(w.cfg.Interval) {
			t.Slots++
			var got serves
			if at := w.slot(s); at < len(w.served[i]) {
				got = w.served[i][at]
			}
			switch {
			case got.count == 0:
				t.Missed++
				continue
			case got.count > 1:
				t.Doubled++
			}
			if got.at[0].Sub(s) > tickEvery+w.cfg.Skew {
				t.Late++
			}
			if got.at[0].After(last) {
				t.Hole = max(t.Hole, got.at[0].Sub(last))
				last = got.at[0]
			}
		}
		t.Hole = max(t.Hole, end.Sub(last))
	}
	return t
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
