package lane

import (
	"context"
	"sync"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// A Lane is what waits for one sender: records in the order of the log. One
// goroutine puts, another takes.
type Lane struct {
	mu    sync.Mutex
	recs  []wire.Record
	items int
	ended bool

	filled chan struct{} // signal to Take: there is something, or the end
	drawn  chan struct{} // signal to Put: there is room again
}

// New returns a lane in which nothing waits.
func New() *Lane {
	return &Lane{filled: make(chan struct{}, 1), drawn: make(chan struct{}, 1)}
}

// signal wakes the other side, at the latest when it looks again.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Put adds r once fewer than capacity items wait. It returns false if ctx is
// done before that.
func (ln *Lane) Put(ctx context.Context, r wire.Record, capacity int) bool {
	for !ln.tryPut(r, capacity) {
		select {
		case <-ln.drawn:
		case <-ctx.Done():
			return false
		}
	}
	signal(ln.filled)
	return true
}

// tryPut adds r unless capacity items wait already. A single record of more
// than that is taken where nothing waits.
func (ln *Lane) tryPut(r wire.Record, capacity int) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.items >= capacity || len(ln.recs) >= capacity {
		return false
	}
	ln.recs = append(ln.recs, r)
	ln.items += r.Items()
	return true
}

// End says that nothing more is put.
func (ln *Lane) End() {
	ln.mu.Lock()
	ln.ended = true
	ln.mu.Unlock()
	signal(ln.filled)
}

// Take returns the records of the next request, of at most limit items unless
// the first has more; none when the lane has ended or ctx is done.
func (ln *Lane) Take(ctx context.Context, limit int) []wire.Record {
	for {
		recs, ended := ln.tryTake(limit)
		if len(recs) > 0 {
			signal(ln.drawn)
			return recs
		}
		if ended {
			return nil
		}
		select {
		case <-ln.filled:
		case <-ctx.Done():
			return nil
		}
	}
}

// tryTake returns what Take does, or nothing if nothing waits.
func (ln *Lane) tryTake(limit int) (recs []wire.Record, ended bool) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.recs) == 0 {
		return nil, ln.ended
	}
	n, items := 1, ln.recs[0].Items()
	for n < len(ln.recs) && wire.Mergeable(ln.recs[0], ln.recs[n]) && items+ln.recs[n].Items() <= limit {
		items += ln.recs[n].Items()
		n++
	}
	recs = ln.recs[:n:n]
	ln.recs = ln.recs[n:]
	ln.items -= items
	return recs, false
}
