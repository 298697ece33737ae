package remote

import (
	"context"
	"errors"
	"time"

	"github.com/divvy-collector/divvy/metrics/remote/lane"
	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// deliver sends l until the receiver has taken it or refused it for good. It
// returns an error only when ctx is done before that: then l is sent again by
// the next process.
func (e *endpoint) deliver(ctx context.Context, l wire.Load, p *patience) error {
	for attempt := 0; ; attempt++ {
		set := e.settings.Load()
		l = e.current(l, set)
		rest, late := p.late.Timely(l)
		if late != (wire.Counts{}) {
			e.metrics.failed(late, lateReason)
		}
		if l = rest; l.Empty() {
			return nil
		}
		r := set.post(ctx, l.Kind, l.Body, attempt)
		if ctx.Err() != nil && r.err != nil {
			return ctx.Err()
		}
		switch what := classify(r, l.Kind, set.Queue.Retry429); what {
		case sent:
			p.taken = true
			e.accepted(l, r)
			return nil
		case drop:
			e.refused.Add(1)
			e.reject(l, r, p)
			return nil
		case split:
			e.refused.Add(1)
			return e.isolate(ctx, l, r, p)
		case downgrade:
			e.degrade(r)
		case retry:
			if err := e.pause(ctx, l, r, attempt); err != nil {
				return err
			}
		}
	}
}

// settleEvery is how often it is looked whether a backlog has been delivered.
const settleEvery = 20 * time.Millisecond

// settle waits until everything that was appended before has been delivered or
// dropped.
func (e *endpoint) settle(ctx context.Context) error {
	if err := e.commit(ctx); err != nil {
		return err
	}
	look := time.NewTicker(settleEvery)
	defer look.Stop()
	for end := e.queue.End(); e.queue.Stats().Watermark < end; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// current returns l as it is to be sent now: without samples that have become
// too old, and as 1.0 if the receiver knows nothing else.
func (e *endpoint) current(l wire.Load, set *settings) wire.Load {
	if set.Queue.SampleMaxAge > 0 {
		rest, old := l.Younger(time.Now().Add(-set.Queue.SampleMaxAge).UnixMilli())
		e.metrics.dropped("too_old", old)
		l = rest
	}
	if l.Kind != wire.KindWrite2 || !e.plain.Load() {
		return l
	}
	plain, err := l.Downgraded()
	if err != nil {
		e.log.Error("drop a record of the log", "err", err)
		e.metrics.failed(l.Counts, "unreadable")
		return wire.Load{}
	}
	return plain
}

// degrade notes that the receiver does not understand remote write 2.0. From
// then on, until the endpoint is configured anew, it is sent 1.0.
func (e *endpoint) degrade(r reply) {
	if !e.plain.Swap(true) {
		e.log.Warn("the receiver does not take remote write 2.0; it is sent 1.0, without start timestamps",
			"status", r.status, "answer", r.text, "remedy", "set protobuf_message to "+Message1)
	}
}

// accepted counts what the receiver has taken, and ends a streak of failures.
func (e *endpoint) accepted(l wire.Load, r reply) {
	e.busy.Add(int64(r.took))
	e.delivered.Add(int64(l.Samples + l.Histograms))
	e.metrics.sent(l, r)
	if e.failing.clear() {
		e.log.Info("the receiver takes samples again")
	}
}

// errGivenUp says that draining has stopped early.
var errGivenUp = errors.New("the receiver keeps failing while the rest is delivered")

// A receiver that has failed this often in a row and for so long is given up
// while draining: it may be the one that is restarted together with us.
const (
	maxDrainFailures = 3
	drainPatience    = 3 * time.Second
)

// pause waits before the next attempt. When draining begins, the next attempt
// is made at once, unless the receiver has asked for the wait.
func (e *endpoint) pause(ctx context.Context, l wire.Load, r reply, attempt int) error {
	e.metrics.retried(l.Counts)
	e.retried.Add(1)
	streak, lasting, tell := e.failing.add(r)
	if tell {
		e.log.Warn("the receiver fails; samples are kept and sent again", "reason", r.reason())
	}
	ending := e.ending
	select {
	case <-ending:
		if streak >= maxDrainFailures && lasting >= drainPatience {
			signal(e.quit)
			return errGivenUp
		}
		ending, attempt = nil, streak-1
	default:
	}
	if r.retryAfter > 0 {
		ending = nil
	}
	wait := time.NewTimer(backoff(e.settings.Load().Queue, attempt, r.retryAfter))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ending:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// backoff returns how long to wait after a failed attempt: what the receiver
// asked for, else twice as long each time.
func backoff(q Queue, attempt int, retryAfter time.Duration) time.Duration {
	if retryAfter > 0 {
		return retryAfter
	}
	return min(q.MaxBackoff, q.MinBackoff<<min(attempt, 30))
}

// patience bounds what it may cost to find the offending series of a record.
type patience struct {
	refusals int
	taken    bool // the receiver took a part

	late *lane.Lateness // of the lane; nil: nothing is remembered
}

// lateReason is the label of the metrics for samples of late series that were
// not sent any more.
const lateReason = "late"

const (
	maxRefusals = 512 // after that many, parts are not cut down to single series
	hopeless    = 64  // the same while nothing at all was taken
	coarse      = 64  // series in a part that is then dropped whole
)

// ends reports whether parts of up to coarse series are dropped whole.
func (p *patience) ends() bool {
	return p.refusals > maxRefusals || p.refusals > hopeless && !p.taken
}

// isolate finds what the receiver refuses in l: it sends each half for itself,
// first by records, then by the series of a record, and so on down to the one
// series that is refused alone; that is dropped, counted and logged. The first
// half is settled before the second is sent, so the order of samples is kept.
//
// One bad series among n costs 2·log2(n) requests. Where nearly everything is
// refused that would be two requests for each series; so once the patience
// with a record ends, a refused part of up to coarse series is dropped without
// looking further. Up to 2 % of bad series in a block of 2,000 are found one
// by one.
func (e *endpoint) isolate(ctx context.Context, l wire.Load, r reply, p *patience) error {
	p.refusals++
	if p.ends() && l.Series != nil && len(l.Series) <= coarse {
		e.reject(l, r, p)
		return nil
	}
	a, b, ok, err := l.Halves()
	if err != nil {
		e.log.Error("drop a record of the log", "err", err)
	}
	if !ok {
		e.reject(l, r, p)
		return nil
	}
	for _, half := range []wire.Load{a, b} {
		of := p
		if len(l.Recs) > 1 {
			of = &patience{late: p.late}
		}
		if err := e.deliver(ctx, half, of); err != nil {
			return err
		}
	}
	return nil
}

// reject drops l, which the receiver refuses.
func (e *endpoint) reject(l wire.Load, r reply, p *patience) {
	p.late.Note(l, r.text, time.Now())
	e.metrics.failed(l.Counts, refusal(r))
	if !p.taken {
		e.failing.refuse(r)
	}
	if !e.tally.mayLog(time.Now()) {
		return
	}
	which := ""
	if l.Series != nil {
		which = l.LabelsOf(l.Series[0])
	}
	e.log.Warn("the receiver refuses samples; they are dropped", "status", r.status, "answer", r.text,
		"samples", l.Items(), "series", which)
}
