package scrape

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// observe records the outcome of a scrape in the target's past, the metrics
// and the logs.
func (s *settings) observe(t *target, j *job, start time.Time, r result) {
	m := s.metrics
	made := status.Scrape{
		Slot: j.slot, At: start.Round(0), Duration: r.took,
		Bytes: r.bytes, Samples: r.tally.total, Kept: r.tally.added,
	}
	if r.err != nil {
		made.Err = status.HidePasswords(r.err.Error())
		s.log.Debug("scrape failed", "target", j.id.url, "err", r.err)
		s.failures.add(s.cfg.JobName, j.id.url, r.err)
	}
	if r.bytes < 0 {
		m.bodyLimit.Inc()
	}
	t.pastMu.Lock()
	last := t.began
	t.began = start
	t.past.Add(made)
	t.pastMu.Unlock()
	if !last.IsZero() {
		seconds, label := start.Sub(last).Seconds(), j.id.interval.String()
		m.interval.WithLabelValues(label).Observe(seconds)
		m.intervalHisto.WithLabelValues(label).Observe(seconds)
	}
	if s.cfg.ExtraMetrics {
		m.duration.Observe(time.Since(start).Seconds())
	}
	s.count(j, &r.tally)
}

// count adds up the samples that were refused, and says so once per scrape: a
// target that exposes a thousand duplicates gets one line in the log.
func (s *settings) count(j *job, c *tally) {
	m := s.metrics
	m.duplicates.Add(float64(c.duplicates))
	m.outOfOrder.Add(float64(c.outOfOrder))
	m.outOfBounds.Add(float64(c.outOfBounds))
	if c.duplicates+c.outOfOrder+c.outOfBounds > 0 {
		s.log.Warn("samples were refused", "target", j.id.url, "duplicates", c.duplicates,
			"out_of_order", c.outOfOrder, "too_far_ahead", c.outOfBounds)
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
		Key: id.key, Foreign: id.foreign, Job: id.labels.Get(model.JobLabel), URL: id.shownURL, Labels: id.shown, Interval: id.interval,
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
