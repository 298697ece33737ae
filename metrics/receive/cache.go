package receive

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/divvy-collector/divvy/telemetry"
)

// lanes is the number of batch keys over which series are spread. It is part
// of the order on disk: another number could overtake what is queued.
const lanes = 16

// laneOf returns the lane of a series, the same in every process.
func laneOf(lset telemetry.Labels, buf *[]byte) int {
	*buf = lset.Bytes(*buf)
	return int(xxhash.Sum64(*buf) % lanes)
}

// A cache remembers the handles of series in one sink. Any number of requests
// use it at the same time.
type cache struct {
	sink   telemetry.Sink
	max    int64        // entries that may be remembered
	kept   atomic.Int64 // entries that are
	shards [lanes]shard
}

// A shard is the series of one lane, so that lanes do not wait for each other.
// Its mutex is not held while the sink is called.
type shard struct {
	mu      sync.Mutex
	series  map[telemetry.Labels]*entry
	retired bool // nothing is remembered any more
}

// An entry is one hold on one handle:
//
//	Resolve ─► pinned ─► listed, pins 0 ◄─► pinned … ─► unlisted ─► Release
//
// A request pins it for as long as it may append under its handle. An entry
// that is replaced or forgotten while it is pinned is released by the last
// request that uses it, so that no sample is appended under a dead handle.
// Its fields are the shard's.
type entry struct {
	handle telemetry.Handle // Dropped is remembered too
	epoch  telemetry.Epoch  // when it was resolved
	md     telemetry.Metadata
	used   time.Time // start of the last request that used it
	pins   int       // requests that are using it
	listed bool      // is in series; otherwise it goes with its last pin
}

// newCache returns a cache that remembers at most limit series.
func newCache(sink telemetry.Sink, limit int) *cache {
	c := &cache{sink: sink, max: int64(limit)}
	for i := range c.shards {
		c.shards[i].series = map[telemetry.Labels]*entry{}
	}
	return c
}

// A query is a series that wants a handle.
type query struct {
	labels telemetry.Labels
	md     *telemetry.Metadata // nil: none to pass on
	epoch  telemetry.Epoch     // the handle must be of this epoch
	now    time.Time
}

// current reports whether e answers q as it is.
func (e *entry) current(q query) bool {
	return e != nil && e.epoch == q.epoch && (q.md == nil || *q.md == e.md)
}

// pin returns an entry whose handle stays good until it is unpinned.
func (c *cache) pin(lane int, q query) *entry {
	s := &c.shards[lane]
	s.mu.Lock()
	e := s.series[q.labels]
	if e.current(q) {
		e.pins++
		e.used = q.now
		s.mu.Unlock()
		return e
	}
	s.mu.Unlock()

	fresh := &entry{handle: c.sink.Resolve(q.labels, q.md), epoch: q.epoch, used: q.now, pins: 1}
	if q.md != nil {
		fresh.md = *q.md
	}
	s.mu.Lock()
	kept, old := c.listLocked(s, q, fresh)
	s.mu.Unlock()
	c.release(old)
	return kept
}

// listLocked makes fresh the entry of its series, unless another request has
// been faster or is using the one that is there. It returns the entry to use
// and the one to release. It needs s.mu.
func (c *cache) listLocked(s *shard, q query, fresh *entry) (use, drop *entry) {
	old := s.series[q.labels]
	switch {
	case old.current(q):
		old.pins++
		old.used = q.now
		return old, fresh
	case s.retired, old != nil && old.pins > 0, old == nil && c.kept.Load() >= c.max:
		return fresh, nil
	}
	if old == nil {
		c.kept.Add(1)
	} else {
		old.listed = false
	}
	fresh.listed = true
	s.series[q.labels] = fresh
	return fresh, old
}

// unpin ends the use of the entries of a lane.
func (c *cache) unpin(lane int, list []*entry) {
	var gone []*entry
	s := &c.shards[lane]
	s.mu.Lock()
	for _, e := range list {
		if e.pins--; e.pins == 0 && !e.listed {
			gone = append(gone, e)
		}
	}
	s.mu.Unlock()
	c.release(gone...)
}

// forget releases the series that no request has used since before.
func (c *cache) forget(before time.Time) {
	for i := range c.shards {
		c.release(c.unlist(&c.shards[i], func(e *entry) bool { return e.pins == 0 && e.used.Before(before) })...)
	}
}

// retire releases every series, those that requests are using when these are
// done. Nothing is remembered from then on.
func (c *cache) retire() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.retired = true
		s.mu.Unlock()
		c.release(c.unlist(s, func(*entry) bool { return true })...)
	}
}

// unlist takes entries off the list and returns those that nobody is using.
func (c *cache) unlist(s *shard, which func(*entry) bool) []*entry {
	var gone []*entry
	s.mu.Lock()
	defer s.mu.Unlock()
	for lset, e := range s.series {
		if !which(e) {
			continue
		}
		delete(s.series, lset)
		c.kept.Add(-1)
		if e.listed = false; e.pins == 0 {
			gone = append(gone, e)
		}
	}
	return gone
}

// release gives up the holds of entries that nothing refers to any more.
func (c *cache) release(gone ...*entry) {
	var handles []telemetry.Handle
	for _, e := range gone {
		if e != nil && e.handle != telemetry.Dropped {
			handles = append(handles, e.handle)
		}
	}
	if len(handles) > 0 {
		c.sink.Release(handles)
	}
}
