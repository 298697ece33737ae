package simulate

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// An outcome is what became of one slot.
type outcome struct {
	served int  // how often
	late   bool // by an heir
	cause  int  // index of the event by which it went wrong; -1: there was nobody from the start
}

// countSlots counts the slots that went wrong at the steps that they went wrong
// by.
func (w *world) countSlots(steps []Step) {
	for _, s := range w.spans() {
		for i := range w.cfg.Targets {
			t := &w.cfg.Targets[i]
			for slot := owner.NextSlot(t.Key, t.Interval, s.from.Add(-1)); !slot.After(s.to); slot = slot.Add(t.Interval) {
				o := w.outcome(t, slot)
				if o.cause < 0 {
					continue
				}
				switch step := &steps[o.cause]; {
				case o.served == 0:
					step.Missed++
				case o.served > 1:
					step.Doubled++
				case o.late:
					step.Late++
				}
			}
		}
	}
}

// outcome returns what becomes of a slot: whether its owner serves it when it
// comes, and whether an heir does when a death becomes known.
func (w *world) outcome(t *Target, slot time.Time) outcome {
	i := w.edition(slot)
	former, owned := w.editions[i].view.Owner(t.Key, slot)
	o := outcome{cause: w.latest(slot)}
	if owned {
		l := w.find(former)
		if l.alive(slot) {
			o.served++
		}
		if !l.gone.IsZero() {
			o.cause = l.cause
		}
	}
	// Only the latest slot is caught up, so a death counts until the next one.
	next := slot.Add(t.Interval)
	for i++; i < len(w.editions) && w.editions[i].at.Before(next); i++ {
		e := w.editions[i]
		heir, ok := e.view.Owner(t.Key, slot)
		if inherits := ok && !same(heir, former, owned); inherits && w.find(heir).alive(e.at) && next.Sub(e.at) >= minGap {
			o.served++
			o.late = true
		}
		former, owned = heir, ok
	}
	return o
}

// same reports whether the heir of a slot is the one who owned it before.
func same(heir, former owner.Member, owned bool) bool {
	return owned && heir.Name == former.Name && heir.From.Equal(former.From)
}

// latest returns the index of the last event before a slot, or -1.
func (w *world) latest(slot time.Time) int {
	for i := len(w.cfg.Events) - 1; i >= 0; i-- {
		if !start.Add(w.cfg.Events[i].At).After(slot) {
			return i
		}
	}
	return -1
}
