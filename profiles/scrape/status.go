package scrape

import (
	"fmt"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A Profile is one type of profile of one target, and how the last one went.
type Profile struct {
	Job      string
	Type     string // in the configuration
	URL      string // without its password
	Labels   telemetry.Labels
	Health   string // status.Unknown, status.Up or status.Down
	Err      string
	At       time.Time // when the last one began; zero: never
	Duration time.Duration
}

// A turn is one slot of a target: it is over when all its profiles are. It
// belongs to Pool.mu.
type turn struct {
	slot, began time.Time
	requests    []*request
	results     []result // by source
	left        int      // that are not there yet
}

// settleLocked takes notice of how a job went. It needs mu.
func (p *Pool) settleLocked(j *job, r result) {
	j.count(r)
	j.s.remember(j, r)
	j.turn.results[j.at] = r
	if j.turn.left--; j.turn.left == 0 {
		j.t.pastMu.Lock()
		j.t.past.Add(j.turn.summary())
		j.t.pastMu.Unlock()
	}
	if feed := j.set.cfg.Live; feed.Watched() {
		feed.Say(func() string {
			line := fmt.Sprintf("profile: type=%s, target=%s, samples=%d, kept=%d, bytes=%d, took=%s",
				j.req.name, j.req.shownURL, r.samples, r.kept, r.bytes, r.took)
			if r.err != nil {
				line += fmt.Sprintf(", err=%q", status.HidePasswords(r.err.Error()))
			}
			return line
		})
	}
}

// count counts a job.
func (j *job) count(r result) {
	m := j.set.metrics
	if r.lost {
		m.missed.Inc()
	} else {
		m.served.Inc()
		if j.late > owner.Tick(j.set.cfg.Interval) {
			m.late.Inc()
		}
		if j.caughtUp {
			m.caughtUp.Inc()
		}
		if r.err != nil {
			m.failed.Inc()
		}
	}
	if r.err != nil {
		j.set.log.Debug("profile was not taken", "target", j.req.shownURL, "err", r.err)
	}
}

// remember keeps how the last profile of a source went.
func (s *source) remember(j *job, r result) {
	last := Profile{At: j.made.Round(0), Duration: r.took, Health: status.Up}
	if r.err != nil {
		last.Health, last.Err = status.Down, status.HidePasswords(r.err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = last
}

// summary adds up the profiles of a slot. Those that failed say so by their
// names, together if it was for the same reason.
func (tn *turn) summary() status.Scrape {
	sum := status.Scrape{Slot: tn.slot, At: tn.began.Round(0)}
	var reasons []string
	failed := map[string][]string{} // names by reason
	for i, r := range tn.results {
		sum.Bytes += r.bytes
		sum.Samples += r.samples
		sum.Kept += r.kept
		sum.Duration = max(sum.Duration, r.took)
		if r.err == nil {
			continue
		}
		why := status.HidePasswords(r.err.Error())
		if failed[why] == nil {
			reasons = append(reasons, why)
		}
		failed[why] = append(failed[why], tn.requests[i].name)
	}
	for i, why := range reasons {
		reasons[i] = strings.Join(failed[why], ", ") + ": " + why
	}
	sum.Err = strings.Join(reasons, "; ")
	return sum
}

// Targets returns every target and how its last slot by this pool went, in the
// order of SetTargets: it is down if one of its profiles failed. Component and
// Clustered are left to the caller.
func (p *Pool) Targets() []status.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]status.Target, 0, len(p.order))
	for _, key := range p.order {
		t := p.targets[key]
		s := status.Target{
			Key: key, Job: t.id.job, URL: t.id.url, Labels: t.id.shown, Interval: p.set.cfg.Interval,
			Health: status.Unknown,
		}
		t.pastMu.Lock()
		s.Scrape = t.past.Last()
		t.pastMu.Unlock()
		if !s.At.IsZero() {
			s.Health = healthOf(s.Err)
		}
		out = append(out, s)
	}
	return out
}

func healthOf(err string) string {
	if err != "" {
		return status.Down
	}
	return status.Up
}

// Profiles returns every type of profile of every target that is served here,
// and how the last one went.
func (p *Pool) Profiles() []Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Profile
	for _, key := range p.order {
		t := p.targets[key]
		if !t.mine {
			continue
		}
		for _, s := range t.sources {
			s.mu.Lock()
			last := s.last
			s.mu.Unlock()
			last.Job, last.Type, last.URL, last.Labels = t.id.job, s.req.name, s.req.shownURL, status.HideLabels(s.req.labels)
			if last.At.IsZero() {
				last.Health = status.Unknown
			}
			out = append(out, last)
		}
	}
	return out
}

// Scrapes returns the recent slots of a target by this pool, the oldest first;
// none if there is no such target, or it was never served here.
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
