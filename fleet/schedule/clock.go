// Package schedule is the clock of every slot: it knows when the next slot of
// each key is, asks who owns it, and calls the engine with those that are
// ours.
//
// A slot is an instant k·interval + phase on the wall clock (package owner).
// Keys that share an instant are served by one wake-up and handed over in one
// call, because waking costs more than most of the work that is done then.
//
//	Set(entries) ─► Run: sleep ─► slots that came ─► View.Owner ─► Serve(Round)
//	                  ▲                                  │ ours: due
//	                  └── the View changed: look ◄───────┘ were ours: lost
//
// Nothing is done when a View changes but one look at every key: planned
// changes are dated ahead, so a move is the next slot being answered by another
// node. Only a slot that has passed already and that the new View makes ours,
// because its owner turned out to be dead by then, is caught up.
//
// The clock does not know what serving means: metrics are scraped and profiles
// are taken by the same rules.
//
// Invariant: a slot of a key is served at most once, and never one at or below
// the last one served, whatever the wall clock does.
// Invariant: there is no burst. After a delay or a step of the wall clock a
// key is served for its latest slot at most, and after a step only from its
// next slot on. What a death leaves is spread over a second.
// Invariant: a slot from before its key was set is never served.
// Invariant: a clock that shares its keys and was stopped serves nothing for a
// second: its View may be out of date, and is being put right.
// Invariant: Run is one goroutine; when it returns, Serve is not called again.
package schedule

import (
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	// maxStep is how far the wall clock may move against the monotonic one
	// between two looks before that counts as a step.
	maxStep = 250 * time.Millisecond

	// maxSleep bounds the time after which a step is noticed.
	maxSleep = 5 * time.Second

	// maxLate is how late a wake-up may be before that counts as having been
	// stopped, and hold how long nothing is served then. The membership
	// withdraws this node meanwhile.
	maxLate = 1500 * time.Millisecond
	hold    = time.Second

	// unnoticed is how long a node may be stopped before others can have found
	// it dead, and begun to count what is missed.
	unnoticed = 2500 * time.Millisecond
)

// Config says whose slots a Clock serves.
type Config struct {
	Self  string                 // this node's name in View
	View  *cell.Cell[owner.View] // who is in the cluster
	Log   *slog.Logger           // nil discards
	Serve func(Round)            // called by Run; must return at once and not keep what it is given

	now func() time.Time // wall clock; overridden for tests
}

// An Entry asks for the slots of Key at every Interval, which is positive.
type Entry struct {
	Key      owner.Key
	Interval time.Duration
}

// A Clock calls Serve at the slots of its entries. Any number of goroutines
// may use it.
type Clock struct {
	cfg  Config
	wake chan struct{} // of capacity 1: entries or the cell of Views changed

	mu      sync.Mutex
	view    *cell.Cell[owner.View]
	entries map[owner.Key]*timed
	queue   slots
	late    []catchUp // ascending by at
	held    time.Time // until then nothing is served; by the monotonic clock
	heirs   bool      // others serve and count what is ours while nothing is served
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

// latest returns the latest slot that has passed.
func (t *timed) latest() int64 { return t.next - int64(t.Interval) }

// New returns a clock without entries.
func New(cfg Config) *Clock {
	if cfg.now == nil {
		cfg.now = func() time.Time { return time.Now().Round(0) }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Clock{cfg: cfg, wake: make(chan struct{}, 1), view: cfg.View, entries: map[owner.Key]*timed{}}
}

// Set replaces the entries. A key that stays keeps its place in its schedule;
// a new one starts with its next slot. Of entries with equal keys the last
// counts.
func (c *Clock) Set(entries []Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.now()
	kept := make(map[owner.Key]*timed, len(entries))
	for _, e := range entries {
		t := c.entries[e.Key]
		if t == nil {
			t = &timed{Entry: e, since: now.UnixNano()}
			t.plan(now)
		} else if t.Interval != e.Interval {
			t.Entry, t.since = e, now.UnixNano()
			t.plan(now)
		}
		kept[e.Key] = t
	}
	c.entries = kept
	c.rebuildLocked()
	c.signal()
}

// Follow asks view for owners from the next slot on.
func (c *Clock) Follow(view *cell.Cell[owner.View]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = view
	c.signal()
}

// rebuildLocked fills the queue from the entries. It needs mu.
func (c *Clock) rebuildLocked() {
	clear(c.queue)
	c.queue = c.queue[:0]
	for _, t := range c.entries {
		c.queue = append(c.queue, t)
	}
	heap.Init(&c.queue)
}

// signal wakes Run up to look at the queue.
func (c *Clock) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run serves slots until ctx is done. A slot that has come by then is still
// served.
func (c *Clock) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	w := watch{mono: time.Now(), wall: c.cfg.now()}
	view, changed := c.follow()
	for {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-c.wake:
		case <-changed:
		}
		now := c.keepTime(&w, view)
		before, was := view, changed
		view, changed = c.follow()
		if r := c.turn(now, before, view, was != changed); !r.empty() {
			c.cfg.Serve(r)
		}
		if ctx.Err() != nil {
			return
		}
		w.sleep = c.sleep()
		timer.Reset(w.sleep)
	}
}

// follow returns the View and what is closed when it is out of date.
func (c *Clock) follow() (owner.View, <-chan struct{}) {
	c.mu.Lock()
	view := c.view
	c.mu.Unlock()
	return view.Get()
}

// A watch remembers when Run last looked at the clocks, and for how long it
// meant to sleep then.
type watch struct {
	mono, wall time.Time
	sleep      time.Duration
}

// keepTime returns the present. If the wall clock has moved against the
// monotonic one it plans anew; if this process was stopped while it shares its
// keys, it holds.
func (c *Clock) keepTime(w *watch, view owner.View) time.Time {
	elapsed, now := time.Since(w.mono), c.cfg.now()
	step := now.Sub(w.wall) - elapsed
	w.mono, w.wall = w.mono.Add(elapsed), now
	if step.Abs() > maxStep {
		c.cfg.Log.Warn("wall clock stepped; going on with the next slots", "step", step)
		c.replan(now)
	}
	// The wall clock goes on while a machine sleeps, the monotonic one may not.
	if stopped := max(elapsed-w.sleep, step); stopped > maxLate && c.shared(view) {
		c.cfg.Log.Warn("this process was stopped; slots of the next second are left out", "for", stopped)
		c.mu.Lock()
		c.held, c.heirs = time.Now().Add(hold), stopped > unnoticed
		c.mu.Unlock()
	}
	return now
}

// holdsLocked reports whether nothing is served for now. It needs mu.
func (c *Clock) holdsLocked() bool { return time.Now().Before(c.held) }

// shared reports whether view has others than this node.
func (c *Clock) shared(view owner.View) bool {
	members := view.Members()
	return len(members) > 1 || len(members) == 1 && !c.isSelf(members[0])
}

// isSelf reports whether m is this process, and not just one of its name.
func (c *Clock) isSelf(m owner.Member) bool { return m.Name == c.cfg.Self && !m.Peer }

// turn passes every slot that has come, after a look at a new View, and
// returns what follows. The Round is valid until the next turn.
func (c *Clock) turn(now time.Time, before, view owner.View, changed bool) Round {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round = Round{Due: c.round.Due[:0], Lost: c.round.Lost[:0]}
	for len(c.queue) > 0 && c.queue[0].next <= now.UnixNano() {
		c.passLocked(c.queue[0], now, view)
		heap.Fix(&c.queue, 0)
	}
	if changed {
		c.lookLocked(now, before, view)
	}
	c.catchUpLocked(now, view)
	return c.round
}

// passLocked moves t past a slot that has come: past the latest one, if more
// than one has. It needs mu.
func (c *Clock) passLocked(t *timed, now time.Time, view owner.View) {
	slot := time.Unix(0, t.next)
	if now.Sub(slot) >= t.Interval {
		latest := owner.Slot(t.Key, t.Interval, now)
		if m, ok := view.Owner(t.Key, slot); ok && c.isSelf(m) {
			c.missLocked(int(latest.Sub(slot) / t.Interval))
		}
		slot = latest
	}
	m, ok := view.Owner(t.Key, slot)
	switch {
	case !ok || !c.isSelf(m):
		c.loseLocked(t, slot, m.Name)
	case c.holdsLocked():
		c.missLocked(1)
	default:
		c.serveLocked(t, Due{Key: t.Key, Slot: slot, Late: now.Sub(slot), From: c.predecessor(t, slot, view)})
	}
	t.passed = slot.UnixNano()
	t.next = t.passed + int64(t.Interval)
}

// missLocked counts slots that were ours and are not served. It needs mu.
func (c *Clock) missLocked(n int) {
	if !c.holdsLocked() || !c.heirs {
		c.round.Missed += n
	}
}

// serveLocked adds a slot that is ours to the round. It needs mu.
func (c *Clock) serveLocked(t *timed, d Due) {
	t.served, t.ours, t.lost = d.Slot.UnixNano(), true, 0
	c.round.Due = append(c.round.Due, d)
}

// loseLocked adds a slot that is not ours to the round, if one shortly before
// was. It needs mu.
func (c *Clock) loseLocked(t *timed, slot time.Time, heir string) {
	if !t.ours && t.lost == 0 || t.lost == MaxLost {
		return
	}
	t.ours = false
	t.lost++
	c.round.Lost = append(c.round.Lost, Lost{Key: t.Key, Slot: slot, Owner: heir, Slots: t.lost})
}

// predecessor returns the node that owned the slot before, if it is another
// one and takes part still.
func (c *Clock) predecessor(t *timed, slot time.Time, view owner.View) string {
	if t.ours {
		return ""
	}
	m, ok := view.Owner(t.Key, slot.Add(-t.Interval))
	if !ok || m.Name == c.cfg.Self || !m.Until.IsZero() && !slot.Before(m.Until) {
		return ""
	}
	return m.Name
}

// replan starts every entry over with its next slot after now.
func (c *Clock) replan(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.entries {
		t.since = now.UnixNano()
		t.plan(now)
	}
	c.late = nil
	heap.Init(&c.queue)
}

// plan sets the next slot: the first after now, and after the last that was
// asked about.
func (t *timed) plan(now time.Time) {
	if now.UnixNano() < t.passed {
		now = time.Unix(0, t.passed)
	}
	t.next = owner.NextSlot(t.Key, t.Interval, now).UnixNano()
}

// sleep returns the time until there is something to do, at most maxSleep.
func (c *Clock) sleep() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, now := int64(maxSleep), c.cfg.now().UnixNano()
	if len(c.queue) > 0 {
		wait = min(wait, c.queue[0].next-now)
	}
	if len(c.late) > 0 {
		wait = min(wait, c.late[0].at-now)
	}
	return time.Duration(max(wait, 0))
}
