package schedule

import (
	"sync"
	"time"
)

// A Lease lets clocks act on what this process believes of its cluster, for as
// long as the membership keeps renewing it. A process that was stopped finds it
// lapsed: others may serve its slots by then. The membership withdraws first,
// says until when slots were served here, and then renews.
//
//	renew   renew   renew ─── stopped ───┐ lapsed │ withdrawn, renewed
//	───────use─use──────use──────────────┴────────┴──────use────────► time
//	                     └ Served: the last word about what was done here
//
// Any number of goroutines may use one. A nil Lease never lapses: there are no
// others.
type Lease struct {
	stall time.Duration

	mu      sync.Mutex
	renewed time.Time // with its monotonic reading
	used    time.Time // slots until then were served
}

// NewLease returns a lease that lapses when it is not renewed for stall.
func NewLease(stall time.Duration, now time.Time) *Lease {
	return &Lease{stall: stall, renewed: now}
}

// Renew says that what this process believes is up to date.
func (l *Lease) Renew(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = now
}

// Lapsed reports whether the lease was not renewed for too long, by the
// monotonic clock or by the wall clock, which goes on while a machine sleeps;
// a clock that was set counts as that.
func (l *Lease) Lapsed(now time.Time) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lapsedLocked(now)
}

func (l *Lease) lapsedLocked(now time.Time) bool {
	ran, passed := now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0))
	return ran.Abs() > l.stall || (passed-ran).Abs() > l.stall
}

// Use asks for leave to serve slots up to now, and notes that this is done. It
// returns false if the lease has lapsed.
func (l *Lease) Use(now time.Time) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lapsedLocked(now) {
		return false
	}
	if now = now.Round(0); now.After(l.used) {
		l.used = now
	}
	return true
}

// Served returns the wall clock's time up to which slots were served here,
// which is at least when the lease was last renewed. It stays the same while
// the lease has lapsed.
func (l *Lease) Served() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if renewed := l.renewed.Round(0); renewed.After(l.used) {
		return renewed
	}
	return l.used
}
