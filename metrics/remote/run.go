package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/metrics/remote/lane"
	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// run is the life of an endpoint:
//
//	open the log ─► commit, send, watch the clock … ctx is done
//	             ─► drain ─► refuse what comes ─► commit ─► close the log
//
// It opens the log and sends what is in it and what comes, until ctx is done;
// then it drains. families is asked for the metadata to send.
func (e *endpoint) run(ctx context.Context, families func() []telemetry.Metadata) {
	if !e.openQueue(ctx) {
		e.stop()
		return
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	commits := make(chan struct{})
	var committer, others sync.WaitGroup
	committer.Go(func() { e.keepCommitting(commits) })
	others.Go(func() { e.queue.Run(work) })
	others.Go(func() { e.dispatch(work) })

	e.keepTime(ctx, families)
	e.failing.restart() // what failed before says nothing about how draining goes
	close(e.ending)
	close(commits)
	committer.Wait()
	e.drain()
	e.stop()
	cancel()
	others.Wait()
	e.finish()
}

// openQueue opens the log, again and again while another process holds it.
// It returns false if ctx is done before that.
func (e *endpoint) openQueue(ctx context.Context) bool {
	for {
		q, err := queue.Open(queue.Config{
			FS: e.cfg.FS, Dir: e.dir, MaxBytes: e.settings.Load().MaxBytes, Log: e.log,
		})
		if err == nil {
			e.queue = q
			close(e.opened)
			return true
		}
		e.failing.disk(e, fmt.Errorf("open the log: %w", err))
		select {
		case <-time.After(openEvery):
		case <-ctx.Done():
			return false
		}
	}
}

// stop makes the endpoint refuse what comes from now on.
func (e *endpoint) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
}

// finish commits the last samples and gives the log back.
func (e *endpoint) finish() {
	err := e.commit(context.Background())
	left := e.queue.Stats()
	err = errors.Join(err, e.queue.Close())
	e.settings.Load().client.close()
	if err != nil {
		e.log.Error("samples may be lost: the log could not be closed", "err", err)
	}
	if left.Records > 0 {
		e.log.Warn("stopped before everything was delivered; the rest stays on disk and is sent when the endpoint runs again",
			"samples", left.Items, "bytes", left.Bytes)
	}
}

// keepTime does what is due by the clock until ctx is done.
func (e *endpoint) keepTime(ctx context.Context, families func() []telemetry.Metadata) {
	pace := time.NewTicker(paceEvery)
	defer pace.Stop()
	described := time.NewTimer(e.settings.Load().Metadata.Interval)
	defer described.Stop()
	look := time.NewTicker(status.PointEvery)
	defer look.Stop()
	backlog := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			e.remember(now)
		case <-pace.C:
			backlog = e.setPace(backlog)
		case <-described.C:
			set := e.settings.Load()
			if set.Metadata.Send && (set.Message == Message1 || e.plain.Load()) {
				e.addMetadata(families())
			}
			described.Reset(set.Metadata.Interval)
		}
	}
}

// setPace chooses the number of lanes. before is the backlog at the last look;
// it returns the one of now.
func (e *endpoint) setPace(before int64) (backlog int64) {
	set, lanes := e.settings.Load(), e.laneCount()
	backlog = e.queue.Stats().Items
	senders := max(1, int(e.senders.Load()))
	desired := lane.Next(lane.Pace{
		Lanes:     lanes,
		Min:       set.Queue.MinLanes,
		Max:       set.Queue.MaxLanes,
		Senders:   senders,
		Backlog:   backlog,
		Before:    before,
		Delivered: e.delivered.Swap(0),
		Capacity:  int64(set.Queue.Capacity),
		Busy:      float64(e.busy.Swap(0)) / float64(paceEvery) / float64(senders),
		Failing:   e.failing.times() > 0,
	})
	e.metrics.desired.Set(float64(desired))
	e.setLanes(desired)
	return backlog
}

// drain commits and waits until everything is delivered, for Config.Drain at
// most, and not while the receiver does nothing but fail.
func (e *endpoint) drain() {
	deadline := time.After(e.cfg.Drain)
	for {
		if err := e.commit(context.Background()); err != nil || e.queue.Stats().Records == 0 {
			return
		}
		select {
		case <-e.acked:
		case <-e.kick:
		case <-e.quit:
			return
		case <-deadline:
			return
		}
	}
}

// dispatch reads the log in order and hands each record to the sender of its
// lane, until ctx is done. Where the number of lanes changes, the records
// before are delivered first: a series may be in another lane after it.
func (e *endpoint) dispatch(ctx context.Context) {
	next, ok := e.next(ctx)
	for ok {
		next, ok = e.stretch(ctx, next)
	}
}

// An arrival is a record and the lane that it is for.
type arrival struct {
	wire.Record
	lane, lanes int
}

// next returns the next record of the log that can be read, or false.
func (e *endpoint) next(ctx context.Context) (arrival, bool) {
	for {
		entry, err := e.queue.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				e.log.Error("sending has ended: the log cannot be read", "err", err)
			}
			return arrival{}, false
		}
		r, err := wire.OpenRecord(entry)
		if err == nil {
			lanes := max(1, int(entry.Lanes))
			return arrival{Record: r, lane: int(entry.Lane) % lanes, lanes: lanes}, true
		}
		e.log.Error("drop a record of the log", "err", err, "kind", entry.Kind, "bytes", len(entry.Payload))
		e.metrics.refused.WithLabelValues("unreadable").Add(float64(entry.Items))
		e.queue.Ack(entry.Seq)
	}
}

// stretch delivers first and the records behind it that were written with the
// same number of lanes. It returns the one that was not.
func (e *endpoint) stretch(ctx context.Context, first arrival) (_ arrival, ok bool) {
	var senders sync.WaitGroup
	defer senders.Wait()
	lanes := make([]*lane.Lane, first.lanes)
	defer func() {
		for _, ln := range lanes {
			if ln != nil {
				ln.End()
			}
		}
	}()
	e.senders.Store(int64(first.lanes))
	e.metrics.lanes.Set(float64(first.lanes))
	for a := first; a.lanes == first.lanes; {
		ln := lanes[a.lane]
		if ln == nil {
			ln = lane.New()
			lanes[a.lane] = ln
			senders.Go(func() { e.serve(ctx, ln) })
		}
		if !ln.Put(ctx, a.Record, e.settings.Load().Queue.Capacity) {
			return arrival{}, false
		}
		if a, ok = e.next(ctx); !ok {
			return arrival{}, false
		}
		if a.lanes != first.lanes {
			return a, true
		}
	}
	panic("BUG: leave the loop of a stretch")
}

// serve sends what is in a lane, in order, until it ends or ctx is done.
func (e *endpoint) serve(ctx context.Context, ln *lane.Lane) {
	var late lane.Lateness
	for {
		recs := ln.Take(ctx, late.Limit(e.settings.Load().Queue.MaxSamples))
		if len(recs) == 0 {
			return
		}
		if err := e.deliver(ctx, wire.NewLoad(recs), &patience{late: &late}); err != nil {
			return
		}
		for _, r := range recs {
			e.queue.Ack(r.Seq)
		}
		signal(e.acked)
	}
}
