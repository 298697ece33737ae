package schedule

import (
	"container/heap"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// maxLate is by how much a slot of a window that has ended may be held up and
// still be served. Longer takes a stop, and then another node may have served
// it.
const maxLate = 1500 * time.Millisecond

// An Agenda is what a Clock decides by: the entries with their next slots, and
// what is to be caught up. It reads no clock and starts nothing. One goroutine
// may use it at a time.
type Agenda struct {
	self    string
	view    owner.View // that the last Turn asked
	entries map[owner.Key]*timed
	queue   slots
	late    []catchUp // ascending by at
	round   Round     // being made; its slices are used again
}

// timed is one entry with its place in its schedule. Times are Unix ns.
type timed struct {
	Entry
	since  int64 // when the key was set
	next   int64 // slot that comes next
	passed int64 // last slot that was asked about; 0: none
	served int64 // last slot that was served here; 0: none
	ours   bool  // the last slot that was asked about was ours
	lost   int   // slots that were told as lost since then
}

// owner returns who serves a slot of e, by view.
func (e Entry) owner(view owner.View, slot time.Time) (owner.Member, bool) {
	return view.Owner(view.RingKey(e.Key, e.Foreign, slot), slot)
}

// latest returns the latest slot that has passed.
func (t *timed) latest() int64 { return t.next - int64(t.Interval) }

// NewAgenda returns the agenda of the node called self, without entries.
func NewAgenda(self string) *Agenda {
	return &Agenda{self: self, entries: map[owner.Key]*timed{}}
}

// Set replaces the entries. A key that stays keeps its place in its schedule;
// a new one starts with its next slot. Of entries with equal keys the last
// counts.
func (a *Agenda) Set(now time.Time, entries []Entry) {
	kept := make(map[owner.Key]*timed, len(entries))
	for _, e := range entries {
		t := a.entries[e.Key]
		if t == nil {
			t = &timed{Entry: e, since: now.UnixNano()}
			t.plan(now)
		} else if t.Interval != e.Interval {
			t.Entry, t.since = e, now.UnixNano()
			t.plan(now)
		}
		t.Foreign = e.Foreign // slots stay, whoever owns them
		kept[e.Key] = t
	}
	a.entries = kept
	clear(a.queue)
	a.queue = a.queue[:0]
	for _, t := range a.entries {
		a.queue = append(a.queue, t)
	}
	heap.Init(&a.queue)
}

// Replan starts every entry over with its next slot after now.
func (a *Agenda) Replan(now time.Time) {
	for _, t := range a.entries {
		t.since = now.UnixNano()
		t.plan(now)
	}
	a.late = nil
	heap.Init(&a.queue)
}

// plan sets the next slot: the first after now, and after the last that was
// asked about.
func (t *timed) plan(now time.Time) {
	if now.UnixNano() < t.passed {
		now = time.Unix(0, t.passed)
	}
	t.next = owner.NextSlot(t.Key, t.Interval, now).UnixNano()
}

// Next returns when there is something to do, or false if there never is.
func (a *Agenda) Next() (at time.Time, ok bool) {
	switch {
	case len(a.queue) == 0 && len(a.late) == 0:
		return time.Time{}, false
	case len(a.late) == 0 || len(a.queue) > 0 && a.queue[0].next < a.late[0].at:
		return time.Unix(0, a.queue[0].next), true
	default:
		return time.Unix(0, a.late[0].at), true
	}
}

// Turn passes every slot that has come and returns what follows. If view is
// another one than the Turn before asked, changed says so, and every key is
// looked at. The Round is valid until the next Turn.
func (a *Agenda) Turn(now time.Time, view owner.View, changed bool) Round {
	a.round = Round{Due: a.round.Due[:0], Lost: a.round.Lost[:0]}
	before := a.view
	a.view = view
	for len(a.queue) > 0 && a.queue[0].next <= now.UnixNano() {
		a.pass(a.queue[0], now)
		heap.Fix(&a.queue, 0)
	}
	if changed {
		a.look(now, before)
	}
	a.catchUp(now)
	return a.round
}

// isSelf reports whether m is this process, and not just one of its name.
func (a *Agenda) isSelf(m owner.Member) bool { return m.Name == a.self && !m.Peer }

// over reports whether m's window has ended at now.
func over(m owner.Member, now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// pass moves t past a slot that has come: past the latest one, if more than
// one has.
func (a *Agenda) pass(t *timed, now time.Time) {
	slot := time.Unix(0, t.next)
	if now.Sub(slot) >= t.Interval {
		latest := owner.Slot(t.Key, t.Interval, now)
		if m, ok := t.owner(a.view, slot); ok && a.isSelf(m) {
			a.round.Missed += countSlots(slot, latest, m.Until, t.Interval)
		}
		slot = latest
	}
	m, ok := t.owner(a.view, slot)
	late := now.Sub(slot)
	switch {
	case !ok || !a.isSelf(m):
		a.lose(t, slot, m.Name)
	case late > maxLate && over(m, now):
		a.round.Missed++
	default:
		a.serve(t, Due{Key: t.Key, Slot: slot, Late: late, From: a.predecessor(t, slot)})
	}
	t.passed = slot.UnixNano()
	t.next = t.passed + int64(t.Interval)
}

// countSlots returns how many slots every interval there are from first until
// before end, and before until if that is not zero.
func countSlots(first, end, until time.Time, interval time.Duration) int {
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	return max(int((end.Sub(first)+interval-1)/interval), 0)
}

// serve adds a slot that is ours to the round.
func (a *Agenda) serve(t *timed, d Due) {
	t.served, t.ours, t.lost = d.Slot.UnixNano(), true, 0
	a.round.Due = append(a.round.Due, d)
}

// lose adds a slot that is not ours to the round, if one shortly before was.
func (a *Agenda) lose(t *timed, slot time.Time, heir string) {
	if !t.ours && t.lost == 0 || t.lost == MaxLost {
		return
	}
	t.ours = false
	t.lost++
	a.round.Lost = append(a.round.Lost, Lost{Key: t.Key, Slot: slot, Owner: heir, Slots: t.lost})
}

// predecessor returns the node that owned the slot before, if it is another
// one. It may have left or died: the engine knows whom it can ask.
func (a *Agenda) predecessor(t *timed, slot time.Time) string {
	if t.ours {
		return ""
	}
	m, ok := t.owner(a.view, slot.Add(-t.Interval))
	if !ok || m.Name == a.self {
		return ""
	}
	return m.Name
}
