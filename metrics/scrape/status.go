package scrape

import (
	"time"

	"github.com/divvy-collector/divvy/telemetry"
)

// TargetStatus says how the last scrape of a target went.
type TargetStatus struct {
	Job      string
	URL      string
	Health   string           // unknown, up or down
	Labels   telemetry.Labels // those that its series have
	Err      string           // why it is down; empty if it is not
	Last     time.Time        // when the last scrape began; zero: never
	Duration time.Duration    // of the last scrape
}

// observe records the outcome of a scrape in the target's status, the metrics
// and the logs.
func (s *settings) observe(t *target, j *job, start time.Time, r result) {
	m := s.metrics
	status := TargetStatus{Health: "up", Last: start, Duration: r.took}
	if r.err != nil {
		status.Health, status.Err = "down", r.err.Error()
		s.log.Debug("scrape failed", "target", j.id.url, "err", r.err)
		s.failures.add(s.cfg.JobName, j.id.url, r.err)
	}
	if r.bytes < 0 {
		m.bodyLimit.Inc()
	}
	t.statusMu.Lock()
	last := t.status.Last
	t.status = status
	t.statusMu.Unlock()
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

// Targets returns the status of every target, in the order of SetTargets.
func (p *Pool) Targets() []TargetStatus {
	p.mu.Lock()
	list := make([]*target, 0, len(p.order))
	ids := make([]*identity, 0, len(p.order))
	for _, key := range p.order {
		t := p.targets[key]
		list, ids = append(list, t), append(ids, t.id)
	}
	p.mu.Unlock()
	out := make([]TargetStatus, len(list))
	for i, t := range list {
		t.statusMu.Lock()
		out[i] = t.status
		t.statusMu.Unlock()
		id := ids[i]
		out[i].Job, out[i].URL, out[i].Labels = id.labels.Get("job"), id.url, id.labels
		if out[i].Last.IsZero() {
			out[i].Health = "unknown"
		}
	}
	return out
}
