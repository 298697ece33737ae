package remote

import (
	"context"
	"math"
	"sync"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// A lane is what waits for one sender: records in the order of the log. One
// goroutine puts, another takes.
type lane struct {
	mu    sync.Mutex
	recs  []wire.Record
	items int
	ended bool

	filled chan struct{} // signal to take: there is something, or the end
	drawn  chan struct{} // signal to put: there is room again
}

// newLane returns a lane in which nothing waits.
func newLane() *lane {
	return &lane{filled: make(chan struct{}, 1), drawn: make(chan struct{}, 1)}
}

// signal wakes the other side, at the latest when it looks again.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds r once fewer than capacity items wait. It returns false if ctx is
// done before that.
func (ln *lane) put(ctx context.Context, r wire.Record, capacity int) bool {
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
func (ln *lane) tryPut(r wire.Record, capacity int) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.items >= capacity || len(ln.recs) >= capacity {
		return false
	}
	ln.recs = append(ln.recs, r)
	ln.items += r.Items()
	return true
}

// end says that nothing more is put.
func (ln *lane) end() {
	ln.mu.Lock()
	ln.ended = true
	ln.mu.Unlock()
	signal(ln.filled)
}

// take returns the records of the next request, of at most limit items unless
// the first has more; none when the lane has ended or ctx is done.
func (ln *lane) take(ctx context.Context, limit int) []wire.Record {
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

// tryTake returns what take does, or nothing if nothing waits.
func (ln *lane) tryTake(limit int) (recs []wire.Record, ended bool) {
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

// A pace is what the number of lanes is decided from, taken every paceEvery.
type pace struct {
	lanes, min, max int     // lanes that samples are written for, and its bounds
	senders         int     // lanes that are being delivered; they lag behind a change
	backlog, before int64   // samples that wait, now and at the last look
	delivered       int64   // samples since the last look
	capacity        int64   // samples that one lane reads ahead
	busy            float64 // part of the time that the senders spent sending, 0 to 1
	failing         bool    // the last request failed
}

// headroom is how much faster than what comes the senders are to be, so that a
// backlog gets smaller.
const headroom = 1.25

// nextLanes returns the number of lanes to write from now on. More senders
// help where those there are have no time left and yet the backlog grows: then
// it is as many as what comes needs at the rate of each. A receiver that fails
// is not asked by more of them. Fewer do where they idle: every lane has blocks
// of its own, and small blocks compress badly.
func nextLanes(p pace) int {
	n := p.lanes
	switch {
	case p.failing:
	case p.busy > 0.8 && p.backlog > p.capacity && p.backlog >= p.before && p.delivered > 0:
		came := p.backlog - p.before + p.delivered
		n = max(n, int(math.Ceil(headroom*float64(p.senders)*float64(came)/float64(p.delivered))))
	case p.busy < 0.2 && p.backlog < p.capacity:
		n /= 2
	}
	return max(p.min, min(n, p.max))
}
