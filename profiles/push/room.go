package push

import (
	"context"
	"sync"
)

// A room bounds the bytes that are on their way. One goroutine takes, any
// number gives back.
type room struct {
	mu    sync.Mutex
	taken int64
	limit int64
	freed chan struct{} // signal to take
}

func newRoom(limit int64) *room { return &room{limit: limit, freed: make(chan struct{}, 1)} }

// take waits until there is room for n bytes; what is larger than the room is
// let in alone. It returns false if ctx is done before that.
func (r *room) take(ctx context.Context, n int) bool {
	for !r.tryTake(int64(n)) {
		select {
		case <-r.freed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (r *room) tryTake(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken > 0 && r.taken+n > r.limit {
		return false
	}
	r.taken += n
	return true
}

// give gives n bytes back.
func (r *room) give(n int) {
	r.mu.Lock()
	r.taken -= int64(n)
	r.mu.Unlock()
	signal(r.freed)
}

// signal wakes whoever waits on c, at the latest when it looks again.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
