// Package schedule is the clock of every slot: it knows when the next slot of
// each key is, asks who owns it, and calls the engine with those that are
// ours.
//
// A slot is an instant k·interval + phase on the wall clock (package owner).
// Keys that share an instant are served by one wake-up and handed over in one
// call, because waking costs more than most of the work that is done then.
//
//	Set(entries) ─► Run: sleep ─► due slots ─► View.Owner ─► Serve(ours)
//
// The clock does not know what serving means: metrics are scraped and profiles
// are taken by the same rules.
//
// Invariant: a slot of a key is served at most once, and never one at or below
// the last one served, whatever the wall clock does.
// Invariant: there is no burst. After a delay or a step of the wall clock a
// key is served for its latest slot at most, and after a step only from its
// next slot on.
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
)

// Config says whose slots a Clock serves.
type Config struct {
	Self  string                 // this node's name in View
	View  *cell.Cell[owner.View] // who is in the cluster
	Log   *slog.Logger           // nil discards
	Serve func(due []Due)        // called by Run; must return at once and not keep due

	now func() time.Time // wall clock; overridden for tests
}

// An Entry asks for the slots of Key at every Interval, which is positive.
type Entry struct {
	Key      owner.Key
	Interval time.Duration
}

// Due is a slot that is ours and has come.
type Due struct {
	Key  owner.Key
	Slot time.Time // nominal; no monotonic reading
	Late time.Duration
}

// A Clock calls Serve at the slots of its entries. Any number of goroutines
// may use it.
type Clock struct {
	cfg  Config
	wake chan struct{} // of capacity 1: entries changed

	mu      sync.Mutex
	view    *cell.Cell[owner.View]
	entries map[owner.Key]*timed
	queue   slots
}

// timed is one entry with its place in its schedule.
type timed struct {
	Entry
	next   int64 // slot that is served next, Unix ns
	served int64 // last slot that passed, ours or not, Unix ns; 0: none
}

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
			t = &timed{Entry: e}
			t.plan(now)
		} else if t.Interval != e.Interval {
			t.Entry = e
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

// Run serves slots until ctx is done.
func (c *Clock) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []Due
	mono, wall := time.Now(), c.cfg.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		elapsed, now := time.Since(mono), c.cfg.now()
		step := now.Sub(wall) - elapsed
		mono, wall = mono.Add(elapsed), now
		if step.Abs() > maxStep {
			c.cfg.Log.Warn("wall clock stepped; going on with the next slots", "step", step)
			c.replan(now)
		}
		due = c.collect(now, due[:0])
		if len(due) > 0 && ctx.Err() == nil {
			c.cfg.Serve(due)
		}
		timer.Reset(c.sleep())
	}
}

// collect moves past every slot that has come and returns those that are ours.
func (c *Clock) collect(now time.Time, due []Due) []Due {
	c.mu.Lock()
	defer c.mu.Unlock()
	view := c.view.Load()
	for len(c.queue) > 0 && c.queue[0].next <= now.UnixNano() {
		t := c.queue[0]
		slot := time.Unix(0, t.next)
		if now.Sub(slot) >= t.Interval {
			slot = owner.Slot(t.Key, t.Interval, now) // older ones are lost
		}
		if m, ok := view.Owner(t.Key, slot); ok && m.Name == c.cfg.Self {
			due = append(due, Due{Key: t.Key, Slot: slot, Late: now.Sub(slot)})
		}
		t.served = slot.UnixNano()
		t.next = t.served + int64(t.Interval)
		heap.Fix(&c.queue, 0)
	}
	return due
}

// replan starts every entry over with its next slot after now.
func (c *Clock) replan(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.entries {
		t.plan(now)
	}
	heap.Init(&c.queue)
}

// plan sets the next slot: the first after now, and after the last served.
func (t *timed) plan(now time.Time) {
	if now.UnixNano() < t.served {
		now = time.Unix(0, t.served)
	}
	t.next = owner.NextSlot(t.Key, t.Interval, now).UnixNano()
}

// sleep returns the time until the next slot, at most maxSleep.
func (c *Clock) sleep() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return maxSleep
	}
	return min(maxSleep, max(0, time.Duration(c.queue[0].next-c.cfg.now().UnixNano())))
}

// slots is a heap of entries by their next slot.
type slots []*timed

func (s slots) Len() int           { return len(s) }
func (s slots) Less(i, j int) bool { return s[i].next < s[j].next }
func (s slots) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push and Pop complete heap.Interface; the queue is only rebuilt and fixed.
func (s *slots) Push(x any) { *s = append(*s, x.(*timed)) }
func (s *slots) Pop() any {
	old := *s
	t := old[len(old)-1]
	*s = old[:len(old)-1]
	return t
}
