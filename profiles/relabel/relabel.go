// Package relabel rewrites, keeps and drops profiles by rules on their labels.
//
// Labels are worked out once for each series: a cache of bounded size knows what
// became of them. Profiles pass as they are.
//
// Invariant: a profile that the rules drop is counted, and is no error.
package relabel

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Config says what is done to profiles and where they go then.
type Config struct {
	Rules     []*relabel.Config     // applied in order; valid
	Next      profiles.Sink         // nil: every profile is dropped
	CacheSize int                   // series whose labels are remembered, about; at least 1
	Registry  prometheus.Registerer // nil: no metrics; Update ignores it

	// Live is told of the profiles that pass, Flow how many do. Both may be nil;
	// Update ignores them.
	Live *live.Feed
	Flow *live.Flow
}

// Rules is a profiles.Sink. Any number of goroutines may use it at the same
// time.
type Rules struct {
	metrics *metrics
	live    *live.Feed
	flow    *live.Flow
	state   atomic.Pointer[state]
}

// A state is what Append works with. It is replaced, never changed, but for its
// cache.
type state struct {
	rules []*relabel.Config
	next  profiles.Sink
	cache *cache
}

// New returns the sink that cfg describes.
func New(cfg Config) *Rules {
	r := &Rules{live: cfg.Live, flow: cfg.Flow}
	r.metrics = newMetrics(func() float64 { return float64(r.state.Load().cache.size()) })
	r.Update(cfg)
	r.metrics.register(cfg.Registry)
	return r
}

// Update replaces rules and next sink, and forgets what the rules before made
// of labels.
func (r *Rules) Update(cfg Config) {
	next := cfg.Next
	if next == nil {
		next = profiles.Fanout(nil)
	}
	r.state.Store(&state{rules: cfg.Rules, next: next, cache: newCache(cfg.CacheSize)})
}

// Append passes on those of list that the rules keep. What it returns is what
// the next sink does.
func (r *Rules) Append(ctx context.Context, list []profiles.Profile) error {
	st := r.state.Load()
	kept := make([]profiles.Profile, 0, len(list))
	for _, p := range list {
		lset, keep := r.labels(st, p.Labels)
		r.live.Say(func() string { return way(p.Labels, lset, keep) })
		if !keep {
			continue
		}
		p.Labels = lset
		kept = append(kept, p)
	}
	r.metrics.processed.Add(float64(len(list)))
	r.metrics.dropped.Add(float64(len(list) - len(kept)))
	if len(kept) == 0 {
		return nil
	}
	begin := time.Now()
	err := st.next.Append(ctx, kept)
	r.metrics.latency.Observe(time.Since(begin).Seconds())
	if err == nil {
		r.metrics.written.Add(float64(len(kept)))
		r.flow.Add(len(kept))
	}
	return err
}

// way says what the rules make of labels.
func way(before, after telemetry.Labels, keep bool) string {
	if !keep {
		return before.String() + " => dropped"
	}
	return before.String() + " => " + after.String()
}

// labels returns what the rules make of lset, or false if they drop it. Without
// labels there is nothing that rules could say.
func (r *Rules) labels(st *state, lset telemetry.Labels) (telemetry.Labels, bool) {
	if len(st.rules) == 0 || lset.IsEmpty() {
		return lset, true
	}
	if known, ok := st.cache.get(lset); ok {
		r.metrics.hits.Inc()
		return known, !known.IsEmpty()
	}
	r.metrics.misses.Inc()
	b := labels.NewBuilder(lset)
	after := labels.EmptyLabels()
	if relabel.ProcessBuilder(b, st.rules...) {
		after = b.Labels()
	}
	st.cache.put(lset, after)
	return after, !after.IsEmpty()
}
