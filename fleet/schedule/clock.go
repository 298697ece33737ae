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
// because it says that its owner ended before it, is caught up.
//
// The clock does not know what serving means: metrics are scraped and profiles
// are taken by the same rules. What it decides is in Agenda, which can be asked
// without a clock; Clock sleeps and wakes.
//
// Invariant: a slot of a key is served at most once, and never one at or below
// the last one served, whatever the wall clock does.
// Invariant: there is no burst. After a delay or a step of the wall clock a
// key is served for its latest slot at most, and after a step only from its
// next slot on. What a death leaves is spread over a second.
// Invariant: a slot from before its key was set is never served.
// Invariant: nothing is served without the Lease. A process that was stopped
// asks the View that is right again, in which its window has ended.
// Invariant: Serve is called by one goroutine, and not again when Run returns.
package schedule

import (
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

	// leasePoll is how often a lapsed lease is asked for again.
	leasePoll = 20 * time.Millisecond
)

// Config says whose slots a Clock serves.
type Config struct {
	Self  string                 // this node's name in View
	View  *cell.Cell[owner.View] // who is in the cluster
	Lease *Lease                 // how long View may be acted upon; nil: always
	Log   *slog.Logger           // nil discards
	Serve func(Round)            // called by Run; must return at once and not keep what it is given

	now func() time.Time // wall clock; overridden for tests
}

// An Entry asks for the slots of Key at every Interval, which is positive.
type Entry struct {
	Key      owner.Key
	Foreign  owner.Key // by which nodes of other software know it; zero: by Key
	Interval time.Duration
}

// A Clock calls Serve at the slots of its entries. Any number of goroutines
// may use it.
type Clock struct {
	cfg  Config
	wake chan struct{} // of capacity 1: entries or the cell of Views changed

	mu     sync.Mutex
	view   *cell.Cell[owner.View]
	lease  *Lease
	agenda *Agenda
}

// New returns a clock without entries.
func New(cfg Config) *Clock {
	if cfg.now == nil {
		cfg.now = func() time.Time { return time.Now().Round(0) }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Clock{
		cfg: cfg, wake: make(chan struct{}, 1),
		view: cfg.View, lease: cfg.Lease, agenda: NewAgenda(cfg.Self),
	}
}

// Set replaces the entries, as Agenda.Set does.
func (c *Clock) Set(entries []Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agenda.Set(c.cfg.now(), entries)
	c.signal()
}

// Follow asks view for owners from the next slot on, for as long as lease
// allows.
func (c *Clock) Follow(view *cell.Cell[owner.View], lease *Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view, c.lease = view, lease
	c.signal()
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
	bell := newAlarm()
	defer bell.stop()
	bell.set(0)
	w := watch{mono: time.Now(), wall: c.cfg.now()}
	var asked, changed <-chan struct{} // of the View that was asked last; nil: none was
	for {
		select {
		case <-ctx.Done():
		case <-bell.C:
		case <-c.wake:
		case <-changed:
		}
		now, wait := c.keepTime(&w), leasePoll
		changed = nil
		if cell, lease := c.followed(); lease.Use(time.Now()) {
			view, current := cell.Get() // only now: what the lease was renewed for is in it
			if r := c.turn(now, view, asked != nil && current != asked); !r.empty() {
				c.cfg.Serve(r)
			}
			asked, changed, wait = current, current, c.sleep()
		}
		if ctx.Err() != nil {
			return
		}
		bell.set(wait)
	}
}

// followed returns whose slots are served, and by what leave.
func (c *Clock) followed() (*cell.Cell[owner.View], *Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view, c.lease
}

// A watch remembers when Run last looked at the clocks.
type watch struct{ mono, wall time.Time }

// keepTime returns the present. If the wall clock has moved against the
// monotonic one it plans anew.
func (c *Clock) keepTime(w *watch) time.Time {
	elapsed, now := time.Since(w.mono), c.cfg.now()
	step := now.Sub(w.wall) - elapsed
	w.mono, w.wall = w.mono.Add(elapsed), now
	if step.Abs() > maxStep {
		c.cfg.Log.Warn("wall clock stepped; going on with the next slots", "step", step)
		c.mu.Lock()
		c.agenda.Replan(now)
		c.mu.Unlock()
	}
	return now
}

// turn lets the agenda pass what has come.
func (c *Clock) turn(now time.Time, view owner.View, changed bool) Round {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agenda.Turn(now, view, changed)
}

// sleep returns the time until there is something to do, at most maxSleep.
func (c *Clock) sleep() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.agenda.Next()
	if !ok {
		return maxSleep
	}
	return min(max(at.Sub(c.cfg.now()), 0), maxSleep)
}
