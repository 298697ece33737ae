package scrape

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/profiles"
)

var (
	errOverdue = errors.New("profile ended too late to count: this process was stopped meanwhile")
	errBusy    = errors.New("slot was left out: the profile before was not done, so it is slower than its interval")
	errShort   = errors.New("slot was left out: it began so late that its profile would run into the next one")
	errStuck   = errors.New("slot was left out: the receivers have not taken the profiles before")
	errSink    = errors.New("profile was lost: the receivers did not take it")
)

const (
	// grace is how long after its timeout a profile may end and still count.
	grace = time.Second

	// patience is how long the former owner of a target is waited for, at most:
	// a third of the interval where that is shorter.
	patience = 5 * time.Second
)

// A job is one profile that is being taken.
type job struct {
	set  *settings
	sink profiles.Sink
	t    *target
	s    *source
	req  *request
	turn *turn
	at   int // place in the turn

	key      owner.Key
	slot     time.Time
	late     time.Duration
	caughtUp bool
	made     time.Time // when the clock called, by the monotonic clock
	seconds  int
	given    int           // of the source, when the job began
	arrived  chan struct{} // closed when the baseline comes; nil: nothing is waited for
	answered bool          // the next profile of the source may begin; guarded by the pool's mu
}

// timeout returns how long the answer may take.
func (j *job) timeout() time.Duration {
	return time.Duration(j.seconds)*time.Second + j.set.cfg.Timeout
}

// overdue reports whether the job ends so long after it began that the process
// must have been stopped meanwhile. Then another node may have served the slot.
func (j *job) overdue() bool {
	wall := time.Now().Round(0).Sub(j.made.Round(0)) // goes on while a machine sleeps
	shared := len(j.set.cfg.View.Load().Members()) > 1
	return shared && max(wall, time.Since(j.made)) > j.timeout()+patience+grace
}

// ours reports whether no other node can have made a delta of the series since
// the job began: this process was not stopped, and no slot has come that is
// another node's.
func (j *job) ours() bool {
	now := time.Now()
	return !j.set.cfg.Lease.Lapsed(now) && j.set.owns(j.key, owner.Slot(j.key, j.set.cfg.Interval, now.Round(0)))
}

// A result is what became of a job.
type result struct {
	err     error
	bytes   int // inflated
	samples int
	kept    int // samples that the sink took
	took    time.Duration
	lost    bool // the slot was not served: nothing of it reached the sink, through no fault of the target
}

// take takes a profile and hands it to the sink.
func (p *Pool) take(j *job) (r result) {
	start := time.Now()
	defer func() { r.took = time.Since(start) }()
	ctx, cancel := context.WithTimeout(p.root, j.timeout())
	defer cancel()
	url := j.req.url
	if j.seconds != j.req.seconds {
		url = j.req.shortened(j.seconds)
	}
	b, err := j.set.fetch(ctx, url, j.req.shownURL)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not done within %s, which is scrape_timeout and the time that the profile lasts: %w", j.timeout(), err)
	}
	if err != nil {
		return result{err: err, lost: p.root.Err() != nil}
	}
	defer j.set.bodies.put(b)
	p.answered(j)
	p.await(j)
	w := <-p.benches
	defer func() { w.release(); p.benches <- w }()
	if j.overdue() {
		j.set.metrics.discarded.Inc()
		return result{err: errOverdue, lost: true}
	}
	limit, raw := j.set.cfg.Limits.profile(), b.bytes
	if j.req.counters == nil {
		r.samples, r.bytes, r.err = w.check(raw, limit)
		r.kept = r.samples
	} else {
		raw = j.diff(w, raw, &r)
	}
	if r.err != nil || raw == nil {
		return r
	}
	if err := p.append(j, raw); err != nil {
		r.err, r.kept, r.lost = fmt.Errorf("%w: %w", errSink, err), 0, true
	}
	return r
}

// await waits for the baseline, if a former owner is about to send it.
func (p *Pool) await(j *job) {
	if j.arrived == nil {
		return
	}
	timer := time.NewTimer(min(patience, j.set.cfg.Interval/3))
	defer timer.Stop()
	select {
	case <-j.arrived:
	case <-timer.C:
	case <-p.stopping:
	}
}

// diff returns the delta of raw, or nil if there is none: of the first profile,
// and of one whose target was given away, for the new owner's delta has what
// this one would have. The baseline moves on even if the sink does not take the
// delta: one that is lost is counted, one that comes twice would not be.
func (j *job) diff(w *bench, raw []byte, r *result) []byte {
	for {
		from, ok := j.s.lend(j)
		if !ok || !j.ours() {
			return nil
		}
		d := diffing{counters: j.req.counters, comment: from.gap}
		delta, size, err := w.diff(raw, j.set.cfg.Limits.profile(), from.base, d)
		r.samples, r.kept, r.bytes, r.err = delta.Samples, delta.Kept, size, err
		switch {
		case err != nil:
			return nil
		case !delta.Counts:
			return raw
		}
		to := inheritance{base: delta.Baseline}
		if delta.Profile == nil {
			r.kept = 0
			to.gap = "no delta before this one: its counters were first read by this node at " + time.Now().UTC().Format(time.RFC3339)
		}
		switch j.s.advance(j, from, to) {
		case again:
			continue
		case surrendered:
			return nil
		}
		if delta.Profile == nil {
			j.set.metrics.firsts.Inc()
		}
		if delta.Restart {
			j.set.log.Debug("process began anew: counters are from zero", "target", j.req.shownURL)
		}
		return delta.Profile
	}
}

// append hands a profile to the sink. It is not cut short when the collector
// stops: sinks stop after us.
func (p *Pool) append(j *job, raw []byte) error {
	start := time.Now()
	err := j.sink.Append(context.WithoutCancel(p.root), []profiles.Profile{{
		Labels: j.req.labels, Raw: raw, ID: profileID(j.key, j.req.name, j.slot), At: start.Round(0),
	}})
	m := j.set.metrics
	m.latency.Observe(time.Since(start).Seconds())
	if err == nil {
		m.forwarded.Inc()
		j.set.cfg.Flow.Add(1)
	}
	return err
}

// profileID names a profile by what it is, as a UUID of version 8: if it arrives
// twice, it can be told.
func profileID(key owner.Key, name string, slot time.Time) string {
	b := make([]byte, 16, 64)
	binary.BigEndian.PutUint64(b, uint64(key))
	binary.BigEndian.PutUint64(b[8:], uint64(slot.UnixNano()))
	b = append(b, name...)
	binary.BigEndian.PutUint64(b, xxhash.Sum64(b))
	binary.BigEndian.PutUint64(b[8:], xxhash.Sum64(b[8:]))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
