package sim

import (
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
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
	begin, limit := w.start.Add(from), w.start.Add(to)
	for i, key := range w.keys {
		excuses := map[int]bool{} // ends that excused a missed slot of this key
		for s := owner.NextSlot(key, w.cfg.Interval, begin); s.Before(limit); s = s.Add(w.cfg.Interval) {
			var got serves
			if at := w.slot(s); at < len(w.served[i]) {
				got = w.served[i][at]
			}
			switch {
			case got.count == 0 && !w.excuseMissed(s, excuses):
				return fmt.Sprintf("slot %s of key %d was missed", s.Sub(w.start), i)
			case got.count > 2 || got.count == 2 && !w.excuseDoubled(s, got):
				return fmt.Sprintf("slot %s of key %d was served %d times, by %s after %s and by %s after %s", s.Sub(w.start), i,
					got.count, got.by[0].Name, got.at[0].Sub(s), got.by[1].Name, got.at[1].Sub(s))
			}
		}
	}
	return ""
}

func (w *World) excuseDoubled(s time.Time, got serves) bool {
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

// Stale returns the first slot from before a stop's end that a woken process
// served all the same, after stops that it notices; "" if there is none.
func (w *World) Stale() string {
	for i := range w.served {
		for at, got := range w.served[i] {
			for k := range min(got.count, len(got.by)) {
				for _, e := range w.ends {
					s := owner.Slot(w.keys[i], w.cfg.Interval, w.start.Add(time.Duration(at+1)*w.cfg.Interval-1))
					if e.woke.Sub(e.at) > stall+tickEvery && got.by[k] == e.node && !got.at[k].Before(e.woke) && s.Before(e.woke) {
						return fmt.Sprintf("%s woke at %s and served slot %s of key %d at %s", e.node.Name,
							e.woke.Sub(w.start), s.Sub(w.start), i, got.at[k].Sub(w.start))
					}
				}
			}
		}
	}
	return ""
}
