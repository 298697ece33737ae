package scrape

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// observe records the outcome of a scrape in the target's past, the metrics
// and the logs.
func (s *settings) observe(t *target, j *job, start time.Time, r walk.Result) {
	m := s.metrics
	made := status.Scrape{
		Slot: j.slot, At: start.Round(0), Duration: r.Took,
		Bytes: r.Bytes, Samples: r.Total, Kept: r.Added,
	}
	if r.Err != nil {
		made.Err = status.HidePasswords(r.Err.Error())
		s.log.Debug("scrape failed", "target", j.id.Shown, "err", made.Err)
		s.failures.add(s.cfg.JobName, j.id.Shown, made.Err)
	}
	t.pastMu.Lock()
	last := t.began
	t.began = start
	t.past.Add(made)
	t.pastMu.Unlock()
	if !last.IsZero() {
		seconds, label := start.Sub(last).Seconds(), j.id.Interval.String()
		m.interval.WithLabelValues(label).Observe(seconds)
		m.intervalHisto.WithLabelValues(label).Observe(seconds)
	}
	if s.cfg.ExtraMetrics {
		m.duration.Observe(time.Since(start).Seconds())
	}
	s.count(j, &r)
	s.countForwarded(j, &r)
}

// count adds up the samples that were refused, and says so once per scrape: a
// target that exposes a thousand duplicates gets one line in the log.
func (s *settings) count(j *job, r *walk.Result) {
	m := s.metrics
	m.duplicates.Add(float64(r.Duplicates))
	m.outOfOrder.Add(float64(r.OutOfOrder))
	m.outOfBounds.Add(float64(r.OutOfBounds))
	m.exemplarOrder.Add(float64(r.ExemplarsOutOfOrder))
	if r.Duplicates+r.OutOfOrder+r.OutOfBounds > 0 {
		s.log.Warn("samples were refused", "target", j.id.Shown, "duplicates", r.Duplicates,
			"out_of_order", r.OutOfOrder, "too_far_ahead", r.OutOfBounds)
	}
}

// countForwarded counts what the sink took or did not take, and why a scrape
// was none.
func (s *settings) countForwarded(j *job, r *walk.Result) {
	m := s.metrics
	m.forwarded.Add(float64(r.Forwarded))
	s.cfg.Flow.Add(r.Forwarded)
	if r.Latency > 0 {
		m.latency.Observe(r.Latency.Seconds())
	}
	if r.Lost != nil {
		s.log.Error("scrape was lost: the receivers did not take it", "target", j.id.Shown, "err", r.Lost)
	}
	if r.Damaged > 0 {
		m.memoryDamaged.Add(float64(r.Damaged))
		s.log.Error("what was remembered of a target was wrong, and was made anew", "target", j.id.Shown, "lines", r.Damaged)
	}
	for _, l := range []struct {
		hit     bool
		counter prometheus.Counter
	}{
		{r.LabelLimit, m.labelLimit},
		{r.SampleLimit, m.sampleLimit},
		{r.BucketLimit, m.bucketLimit},
		{r.Bytes < 0, m.bodyLimit},
		{errors.Is(r.Err, errOverdue), m.slotsDiscarded},
	} {
		if l.hit {
			l.counter.Inc()
		}
	}
}

// Targets returns every target and how its last scrape by this pool went, in
// the order of SetTargets. Component and Clustered are left to the caller.
func (p *Pool) Targets() []status.Target {
	p.mu.Lock()
	list := make([]*target, 0, len(p.order))
	out := make([]status.Target, 0, len(p.order))
	for _, key := range p.order {
		t := p.targets[key]
		list, out = append(list, t), append(out, t.id.status())
	}
	p.mu.Unlock()
	for i, t := range list {
		t.pastMu.Lock()
		out[i].Scrape = t.past.Last()
		t.pastMu.Unlock()
		switch {
		case out[i].At.IsZero():
			out[i].Health = status.Unknown
		case out[i].Err != "":
			out[i].Health = status.Down
		default:
			out[i].Health = status.Up
		}
	}
	return out
}

// status returns what there is to tell of a target that was never scraped.
func (id *identity) status() status.Target {
	return status.Target{
		Key: id.key, Foreign: id.foreign, Job: id.Labels.Get(model.JobLabel), URL: id.Shown, Labels: id.shown, Interval: id.Interval,
	}
}

// Scrapes returns the recent scrapes of a target by this pool, the oldest
// first; none if there is no such target, or it was never scraped here.
func (p *Pool) Scrapes(key owner.Key) []status.Scrape {
	p.mu.Lock()
	t := p.targets[key]
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	t.pastMu.Lock()
	defer t.pastMu.Unlock()
	return t.past.List()
}

// Discovered returns the labels that a target came with in SetTargets, without
// what is secret in them; false if there is no such target. It looks through
// all targets.
func (p *Pool) Discovered(key owner.Key) (telemetry.Labels, bool) {
	p.mu.Lock()
	found, keyOf := p.found, p.keyOfLocked()
	p.mu.Unlock()
	for _, f := range found {
		if keyOf(f) == key {
			return status.HideLabels(f), true
		}
	}
	return telemetry.Labels{}, false
}
