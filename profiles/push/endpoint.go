package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry/status"
)

const (
	lanes     = 32       // requests of one endpoint at a time
	maxFlight = 16 << 20 // bytes of profiles that wait in lanes, for one endpoint
	laneDepth = 64       // profiles that wait in one lane

	openEvery    = time.Second     // between attempts to open a log that another process holds
	openPatience = 5 * time.Second // how long Append waits for that
)

// An endpoint is one server with its log.
//
// Any goroutine may call append. run starts the others: one that keeps the log,
// one that dispatches, and one for each lane.
type endpoint struct {
	key     string
	dir     string
	cfg     *Config // of the Writer: fields that do not change
	log     *slog.Logger
	latency latencies

	settings atomic.Pointer[settings]

	opened chan struct{} // closed once queue is set
	queue  *queue.Log

	room    *room
	acked   chan struct{} // signal: the server has one more
	ending  chan struct{} // closed when run begins to drain
	quit    chan struct{} // signal: draining is of no use
	failing failing
	tally   tally
	past    status.Hour

	mu      sync.RWMutex // held for reading while something is appended
	stopped bool
}

// newEndpoint returns an endpoint that does not run yet.
func newEndpoint(cfg *Config, s *settings, latency latencies) *endpoint {
	return &endpoint{
		key:     s.key(),
		dir:     s.dir(cfg.Dir),
		cfg:     cfg,
		log:     cfg.Log.With("endpoint", s.title()),
		latency: latency,
		opened:  make(chan struct{}),
		room:    newRoom(maxFlight),
		acked:   make(chan struct{}, 1),
		ending:  make(chan struct{}),
		quit:    make(chan struct{}, 1),
		failing: failing{well: make(chan struct{})},
	}
}

// configure replaces the settings. What is in the log goes where they say.
func (e *endpoint) configure(s *settings) {
	if old := e.settings.Swap(s); old != nil && old.client != s.client {
		old.client.CloseIdleConnections()
	}
}

// append writes recs to the log. An error says that none of them is there.
func (e *endpoint) append(ctx context.Context, recs []queue.Record) error {
	if err := e.awaitLog(ctx); err != nil {
		return err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.stopped {
		return errStopped
	}
	return e.queue.Append(recs...)
}

// awaitLog waits until the log is open. That takes long only where a
// predecessor still has it.
func (e *endpoint) awaitLog(ctx context.Context) error {
	select {
	case <-e.opened:
		return nil
	default:
	}
	late := time.NewTimer(openPatience)
	defer late.Stop()
	select {
	case <-e.opened:
		return nil
	case <-late.C:
		return errors.New("the log is not open yet")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stats returns those of the log, or zeros while it is not open.
func (e *endpoint) stats() queue.Stats {
	select {
	case <-e.opened:
		return e.queue.Stats()
	default:
		return queue.Stats{}
	}
}

// run is the life of an endpoint:
//
//	open the log ─► send … ctx is done ─► drain ─► refuse what comes ─► close the log
func (e *endpoint) run(ctx context.Context) {
	if !e.openQueue(ctx) {
		e.stop()
		return
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { e.queue.Run(work) })
	wg.Go(func() { e.dispatch(work) })
	e.keepTime(ctx)
	e.failing.restart() // what failed before says nothing about how draining goes
	close(e.ending)
	e.drain()
	e.stop()
	cancel()
	wg.Wait()
	e.finish()
}

// openQueue opens the log, again and again while another process holds it. It
// returns false if ctx is done before that.
func (e *endpoint) openQueue(ctx context.Context) bool {
	for {
		q, err := queue.Open(queue.Config{
			FS: e.cfg.FS, Dir: e.dir, MaxBytes: e.settings.Load().MaxBytes, Log: e.log,
		})
		if err == nil {
			e.queue = q
			close(e.opened)
			e.failing.disk("")
			return true
		}
		e.failing.disk(fmt.Sprintf("open the log: %v", err))
		select {
		case <-time.After(openEvery):
		case <-ctx.Done():
			return false
		}
	}
}

// keepTime remembers the endpoint's past until ctx is done.
func (e *endpoint) keepTime(ctx context.Context) {
	look := time.NewTicker(status.PointEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			e.past.Add(e.point(now))
		}
	}
}

// drain waits until everything is delivered, for Config.Drain at most, and not
// while the server does nothing but fail.
func (e *endpoint) drain() {
	deadline := time.After(e.cfg.Drain)
	for e.queue.Stats().Records > 0 {
		select {
		case <-e.acked:
		case <-e.quit:
			return
		case <-deadline:
			return
		}
	}
}

// stop makes the endpoint refuse what comes from now on.
func (e *endpoint) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
}

// finish gives the log back.
func (e *endpoint) finish() {
	left := e.queue.Stats()
	if err := e.queue.Close(); err != nil {
		e.log.Error("profiles may be lost: the log could not be closed", "err", err)
	}
	e.settings.Load().client.CloseIdleConnections()
	if left.Records > 0 {
		e.log.Warn("stopped before everything was delivered; the rest stays on disk and is sent when the endpoint runs again",
			"profiles", left.Items, "bytes", left.Bytes)
	}
}

// dispatch reads the log in order and hands each record to the sender of its
// lane, until ctx is done.
func (e *endpoint) dispatch(ctx context.Context) {
	var senders sync.WaitGroup
	defer senders.Wait()
	var list [lanes]chan queue.Entry
	for {
		entry, err := e.queue.Next(ctx)
		if err != nil || !e.room.take(ctx, len(entry.Payload)) {
			return
		}
		i := entry.Lane % lanes
		if list[i] == nil {
			list[i] = make(chan queue.Entry, laneDepth)
			senders.Go(func() { e.serve(ctx, list[i]) })
		}
		select {
		case list[i] <- entry:
		case <-ctx.Done():
			return
		}
	}
}

// serve sends what is in a lane, in order, until ctx is done.
func (e *endpoint) serve(ctx context.Context, lane <-chan queue.Entry) {
	for {
		select {
		case <-ctx.Done():
			return
		case entry := <-lane:
			n := len(entry.Payload)
			if err := e.deliver(ctx, entry); err != nil {
				return // the next process sends it
			}
			e.queue.Ack(entry.Seq)
			e.room.give(n)
			signal(e.acked)
		}
	}
}
