package operator

import (
	"errors"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/kube/operator/sources"
	"github.com/divvy-collector/divvy/telemetry"
)

// Dropped calls yield with each target that the rules of a job drop, until it
// returns false: with the job's scrape configuration, and the labels before the
// rules. None of that is kept; all rules are applied anew.
func (e *Engine) Dropped(yield func(c *config.ScrapeConfig, before telemetry.Labels) bool) {
	s := e.session()
	if s == nil {
		return
	}
	for _, o := range e.Objects() {
		r, _ := s.ledger.one(objectKey{o.Namespace, o.Name})
		for i, c := range r.scrapes {
			if !dropped(c, r.sources[i], yield) {
				return
			}
		}
	}
}

// dropped calls yield with what the rules of c drop. It returns false once yield
// has.
func dropped(c *config.ScrapeConfig, from []*sources.Source, yield func(*config.ScrapeConfig, telemetry.Labels) bool) bool {
	r := newRelabeller(c)
	for _, src := range from {
		groups := maps.Collect(src.All())
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			g := groups[name]
			missing := r.missing(g.Shared)
			for _, own := range g.Targets {
				_, err := r.target(g.Shared, own, missing)
				if errors.Is(err, errDropped) && !yield(c, before(g.Shared, own, missing)) {
					return false
				}
			}
		}
	}
	return true
}

// before returns the labels that rules are given.
func before(shared, own labels.Labels, defaults []labels.Label) telemetry.Labels {
	b := labels.NewBuilder(shared)
	for _, l := range defaults {
		b.Set(l.Name, l.Value)
	}
	own.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	return b.Labels()
}

// Before returns a function that returns the labels that a target of the job had
// before its rules.
func (j *Job) Before() func(t *Target) telemetry.Labels {
	r := newRelabeller(j.Scrape)
	return func(t *Target) telemetry.Labels { return before(t.Shared, t.Own, r.missing(t.Shared)) }
}
