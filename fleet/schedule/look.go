package schedule

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	// maxAge is how old a slot may be to be caught up: a death is known sooner
	// than that, and what comes of older ones is no use to anybody.
	maxAge = 30 * time.Second

	// spread is how long the slots of a look are spread over, in steps that
	// serve many of them at once.
	spread     = time.Second
	spreadStep = 50 * time.Millisecond

	// minGap is how far the next slot must be for the one before it to be
	// caught up: the two must not overtake each other.
	minGap = 250 * time.Millisecond
)

// A catchUp is a slot that became ours after it had passed, and when it is
// served. Times are Unix ns.
type catchUp struct {
	key      owner.Key
	slot, at int64
}

// look compares the View with the one before, and schedules the latest slot of
// each key that became ours although it has passed.
//
// The owner by the View before must not have served the slot, and the View has
// to say so: that window of its ended before the slot. Otherwise the slot would
// be served twice.
func (a *Agenda) look(now time.Time, before owner.View) {
	for _, t := range a.queue {
		slot := t.latest()
		if slot < t.since || slot <= t.served || now.UnixNano()-slot > int64(maxAge) {
			continue
		}
		at := time.Unix(0, slot)
		m, ok := t.owner(a.view, at)
		if !ok || !a.isSelf(m) {
			continue
		}
		if former, owned := t.owner(before, at); owned {
			end, known := endOf(a.view, former)
			if !known || a.isSelf(former) { // or it was ours in time, and was left out for a reason
				continue
			}
			a.round.Missed += missedSince(t, end)
		}
		if over(m, now) { // nobody knows what others made of it meanwhile
			a.round.Missed++
			continue
		}
		a.inherit(t, now)
	}
	slices.SortStableFunc(a.late, func(a, b catchUp) int { return cmp.Compare(a.at, b.at) })
}

// inherit schedules t's latest slot.
func (a *Agenda) inherit(t *timed, now time.Time) {
	left := time.Duration(t.next - now.UnixNano())
	if left < minGap {
		a.round.Missed++
		return
	}
	wait := time.Duration(uint64(t.Key)>>32%uint64(spread/spreadStep)) * spreadStep
	at := now.Add(min(wait, left/2)).UnixNano()
	a.late = append(a.late, catchUp{key: t.Key, slot: t.latest(), at: at})
}

// catchUp serves the slots whose time to be caught up has come, unless
// something has changed since.
func (a *Agenda) catchUp(now time.Time) {
	n := 0
	for ; n < len(a.late) && a.late[n].at <= now.UnixNano(); n++ {
		l := a.late[n]
		t, slot := a.entries[l.key], time.Unix(0, l.slot)
		if t == nil || t.latest() != l.slot || t.served >= l.slot {
			continue
		}
		switch m, ok := t.owner(a.view, slot); {
		case !ok || !a.isSelf(m):
		case over(m, now):
			a.round.Missed++
		default:
			a.serve(t, Due{Key: l.key, Slot: slot, Late: now.Sub(slot), CaughtUp: true})
		}
	}
	a.late = append(a.late[:0], a.late[n:]...)
}

// endOf returns when a member's life ended, if view knows of its end.
func endOf(view owner.View, former owner.Member) (end time.Time, known bool) {
	members := view.Members()
	i := sort.Search(len(members), func(i int) bool { return members[i].Name >= former.Name })
	for ; i < len(members) && members[i].Name == former.Name; i++ {
		if m := members[i]; m.From.Equal(former.From) && !m.Until.IsZero() {
			return m.Until, true
		}
	}
	return time.Time{}, false
}

// missedSince counts the slots of t before its latest that nobody served since
// its owner's end.
func missedSince(t *timed, end time.Time) int {
	first := owner.NextSlot(t.Key, t.Interval, end.Add(-1))
	return max(int((t.latest()-first.UnixNano())/int64(t.Interval)), 0)
}
