package schedule

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	// maxAge is how old a slot may be to be caught up. A death is known sooner
	// than that; what makes an older slot ours is that the View has forgotten
	// who served it.
	maxAge = 30 * time.Second

	// maxMove is by how much a node may have moved the date of its joining.
	maxMove = 10 * time.Second

	// stopped is how long a node has not served for certain that withdraws at
	// once: it was stopped for longer (maxLate), and told it a moment ago.
	stopped = time.Second

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

// lookLocked compares two Views, one after the other, and schedules the latest
// slot of each key that became ours although it has passed. It needs mu.
//
// The owner by the View before must not have served the slot: it died before,
// or had not begun, or was stopped. Otherwise the slot would be served twice.
func (c *Clock) lookLocked(now time.Time, before, view owner.View) {
	for _, t := range c.queue {
		slot := t.latest()
		if slot < t.since || slot <= t.served || now.UnixNano()-slot > int64(maxAge) {
			continue
		}
		at := time.Unix(0, slot)
		if m, ok := view.Owner(t.Key, at); !ok || !c.isSelf(m) {
			continue
		}
		former, owned := before.Owner(t.Key, at)
		if owned && c.isSelf(former) {
			continue // it was ours in time, and was left out for a reason
		}
		end, dead := endOf(view, former)
		switch {
		case !owned:
		case dead:
			c.missLocked(missedSince(t, end))
		case at.Sub(former.From) < maxMove: // it has moved the date and not begun
		case now.Sub(at) < stopped:
		default:
			continue // it may have served the slot, before it withdrew or was forgotten
		}
		c.inheritLocked(t, now)
	}
	slices.SortStableFunc(c.late, func(a, b catchUp) int { return cmp.Compare(a.at, b.at) })
}

// inheritLocked schedules t's latest slot. It needs mu.
func (c *Clock) inheritLocked(t *timed, now time.Time) {
	left := time.Duration(t.next - now.UnixNano())
	if left < minGap {
		c.missLocked(1)
		return
	}
	wait := time.Duration(uint64(t.Key)>>32%uint64(spread/spreadStep)) * spreadStep
	at := now.Add(min(wait, left/2)).UnixNano()
	c.late = append(c.late, catchUp{key: t.Key, slot: t.latest(), at: at})
}

// catchUpLocked serves the slots whose time to be caught up has come, unless
// something has changed since. It needs mu.
func (c *Clock) catchUpLocked(now time.Time, view owner.View) {
	n := 0
	for ; n < len(c.late) && c.late[n].at <= now.UnixNano(); n++ {
		l := c.late[n]
		t, slot := c.entries[l.key], time.Unix(0, l.slot)
		if t == nil || t.latest() != l.slot || t.served >= l.slot {
			continue
		}
		switch m, ok := view.Owner(l.key, slot); {
		case !ok || !c.isSelf(m):
		case c.holdsLocked():
			c.missLocked(1)
		default:
			c.serveLocked(t, Due{Key: l.key, Slot: slot, Late: now.Sub(slot), CaughtUp: true})
		}
	}
	c.late = append(c.late[:0], c.late[n:]...)
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
