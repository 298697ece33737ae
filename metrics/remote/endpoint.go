package remote

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// settings is an Endpoint with its client. It is replaced, never changed.
type settings struct {
	Endpoint
	client *client
}

// An endpoint is one receiver with its log.
//
//	append ─► open blocks ─► commit ─► log ─► dispatch ─► lanes ─► deliver
//
// Any goroutine may call append and commit. run starts the others: one that
// commits, one that keeps the log, one that dispatches, and one for each lane
// that has something to send.
//
// Order is kept link by link: blocks of a lane are sealed in the order in which
// they were filled, whoever has the token commits them in that order, the log
// hands records out in the order in which it got them, and a lane has one
// request on its way at a time.
//
// Invariant: a field below mu is read and written with mu held; mu is never
// held over disk or network, nor over the compression of more than a hundred
// kilobytes.
type endpoint struct {
	key      string
	dir      string
	cfg      *Config // of the Writer: fields that do not change
	log      *slog.Logger
	metrics  *metrics
	settings atomic.Pointer[settings]

	opened chan struct{} // closed once queue is set
	queue  *queue.Log

	kick      chan struct{} // signal: there is something to commit
	full      chan struct{} // signal: there is enough to commit at once
	acked     chan struct{} // signal: the receiver has something more
	ending    chan struct{} // closed when run begins to drain
	quit      chan struct{} // signal: draining is of no use
	failing   failing
	tally     tally
	past      status.Hour
	retried   atomic.Int64 // requests that failed and were to be made again
	refused   atomic.Int64 // requests that were not
	plain     atomic.Bool  // the receiver does not understand 2.0
	busy      atomic.Int64 // nanoseconds that senders spent on requests that were taken, since the last look
	delivered atomic.Int64 // samples that were taken since the last look
	senders   atomic.Int64 // lanes that are being delivered
	distrust  atomic.Bool  // an audit has found something, and it was said

	committing chan struct{} // holds one token: who has it commits
	work       work          // of who has the token

	mu      sync.Mutex
	lanes   int
	blocks  []*wire.Block // open, by lane; nil: none
	sealed  []*wire.Block // full, or of another number of lanes
	free    []*wire.Block
	pending int // bytes in blocks and sealed
	audit   wire.Audit
	stopped bool
}

const (
	commitAfter = 250 * time.Millisecond // longest time that a sample is in memory only
	maxPending  = 64 << 20               // bytes of samples that wait for a commit
	paceEvery   = 10 * time.Second
	openEvery   = time.Second // between attempts to open a log that another process holds
	auditEvery  = 512         // pieces of blocks, of which one is checked: less than 1 % of the work
)

// errBusy says that the disk, or a log that cannot be opened, is behind.
var errBusy = errors.New("too many samples wait for the disk")

// newEndpoint returns an endpoint that takes samples and does not send yet.
// configure must follow.
func newEndpoint(cfg *Config, s *settings) *endpoint {
	e := &endpoint{
		key:        s.key(),
		dir:        s.dir(cfg.Dir),
		cfg:        cfg,
		log:        cfg.Log.With("endpoint", s.key(), "url", s.redacted()),
		opened:     make(chan struct{}),
		kick:       make(chan struct{}, 1),
		full:       make(chan struct{}, 1),
		acked:      make(chan struct{}, 1),
		ending:     make(chan struct{}),
		quit:       make(chan struct{}, 1),
		committing: make(chan struct{}, 1),
		lanes:      s.Queue.MinLanes,
		audit:      wire.Audit{Every: auditEvery},
	}
	e.failing.well = time.Now()
	e.metrics = newMetrics(e, s)
	e.metrics.register()
	return e
}

// configure replaces the settings. What is in the log goes where they say.
func (e *endpoint) configure(s *settings) {
	old := e.settings.Swap(s)
	if old != nil && old.client != s.client {
		old.client.close()
		e.plain.Store(false)
	}
	e.setLanes(max(s.Queue.MinLanes, min(e.laneCount(), s.Queue.MaxLanes)))
}

// laneCount returns the number of lanes that samples are written for now.
// Delivery may still be at records of another number.
func (e *endpoint) laneCount() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lanes
}

// setLanes changes the number of lanes for what is appended from now on.
func (e *endpoint) setLanes(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n == e.lanes {
		return
	}
	for lane := range e.blocks {
		e.sealLocked(lane)
	}
	e.lanes, e.blocks = n, make([]*wire.Block, n)
}

// append encodes b. The tables of st are locked for reading.
func (e *endpoint) append(st *state, b *telemetry.Batch) error {
	set := e.settings.Load()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopped:
		return errStopped
	case e.pending > maxPending:
		e.metrics.droppedSamples.WithLabelValues("full").Add(float64(len(b.Samples)))
		return errBusy
	}
	if e.blocks == nil {
		e.blocks = make([]*wire.Block, e.lanes)
	}
	before := e.pending
	enc := newEncoder(e, st, set, int(b.Key%uint64(e.lanes)))
	enc.addLocked(b)
	if before == 0 && e.pending > 0 {
		signal(e.kick)
	}
	return nil
}

// openLocked returns the block of a lane with room for one more item.
func (e *endpoint) openLocked(lane int, set *settings) *wire.Block {
	kind := wire.KindWrite1
	if set.Message == Message2 && !e.plain.Load() {
		kind = wire.KindWrite2
	}
	last := e.blocks[lane]
	if last != nil && last.Kind == kind && last.Items() < set.Queue.MaxSamples {
		return last
	}
	e.sealLocked(lane)
	var b *wire.Block
	if n := len(e.free); n > 0 {
		b, e.free = e.free[n-1], e.free[:n-1]
	} else {
		b = new(wire.Block)
	}
	b.Reset(kind, uint16(lane), uint16(e.lanes))
	b.WatchedBy(&e.audit)
	if last != nil {
		b.Follow(last)
	}
	e.blocks[lane] = b
	return b
}

// sealLocked ends the open block of a lane, if there is one.
func (e *endpoint) sealLocked(lane int) {
	if b := e.blocks[lane]; b != nil {
		b.Pack()
		e.sealed = append(e.sealed, b)
		e.blocks[lane] = nil
		if len(e.sealed) >= maxSealed {
			signal(e.full)
		}
	}
}

// signal wakes the other side, at the latest when it looks again.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
