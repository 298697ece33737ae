package sim

import (
	"fmt"
	"time"
)

// What a process that ends without notice, or is stopped, may cost.
const (
	// unsaid is how long before its end a node may have served slots and not
	// have given a sign of life since: who finds it dead serves them again.
	// Pulses come every 500 ms, and some are lost.
	unsaid = 2 * time.Second

	// unnoticed is how long a process may be stopped without being found dead:
	// what it served is not served again then.
	unnoticed = 2 * time.Second

	// detection is how long nobody may serve what was its share.
	detection = 5 * time.Second
)

// Blame returns the first slot between two times since the start that was
// missed or doubled without an excuse, and why there is none; "" if there is
// none such.
//
// A slot may be doubled if the first who served it was stopped or killed at
// most unsaid after it, for long enough to be found dead, and the second is an
// heir that did not know. It may be missed if its owner was stopped or killed
// at most detection before it, and then only one of a key.
func (w *World) Blame(from, to time.Duration) string {
	for i := range w.keys {
		used := map[int]bool{} // ends that excused a missed slot of this key
		for s := range w.slots(i, from, to) {
			got := w.at(i, s)
			switch {
			case got.count == 0 && !w.excuseMissed(s, used), got.count > 2, got.count == 2 && !w.excuseDoubled(s, got):
				return w.describe(i, s)
			}
		}
	}
	return ""
}

// describe says who served a slot of a key, and how long after its time.
func (w *World) describe(key int, slot time.Time) string {
	got := w.at(key, slot)
	text := fmt.Sprintf("slot %s of key %d was served %d times", slot.Sub(w.start), key, got.count)
	for i, n := range got.by[:got.noted()] {
		text += fmt.Sprintf(", by %s after %s", n.Name, got.at[i].Sub(slot).Round(time.Millisecond))
	}
	return text
}

func (w *World) excuseDoubled(s time.Time, got *serves) bool {
	for _, e := range w.ends {
		served := got.by[0] == e.node && !got.at[0].After(e.at)
		if served && e.at.Sub(s) <= unsaid && e.woke.Sub(e.at) > unnoticed && got.by[1] != e.node {
			return true
		}
	}
	return false
}

func (w *World) excuseMissed(s time.Time, used map[int]bool) bool {
	for i, e := range w.ends {
		over := e.at.Add(detection)
		if e.woke.Add(time.Second).Before(over) {
			over = e.woke.Add(time.Second)
		}
		if !used[i] && s.After(e.at.Add(-w.cfg.Skew)) && s.Before(over) {
			used[i] = true
			return true
		}
	}
	return false
}

// Stale returns the first slot that a process served when it had been stopped
// at its time, for long enough to notice, since a time; "" if there is none.
func (w *World) Stale(since time.Duration) string {
	for _, e := range w.ends {
		if e.woke.Sub(e.at) <= stall+tickEvery || e.at.Sub(w.start) < since {
			continue
		}
		for i := range w.keys {
			for s := range w.slots(i, e.at.Add(-w.cfg.Interval).Sub(w.start), min(e.woke.Sub(w.start), w.Now())) {
				got := w.at(i, s)
				for k, n := range got.by[:got.noted()] {
					if n == e.node && !got.at[k].Before(e.woke) {
						return fmt.Sprintf("%s woke at %s: %s", n.Name, e.woke.Sub(w.start), w.describe(i, s))
					}
				}
			}
		}
	}
	return ""
}
