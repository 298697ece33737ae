package scrape

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// census is which targets a pool has, in short. It belongs to Pool.mu.
type census struct {
	digest  owner.SetDigest
	changed time.Time // when digest changed last
}

// countLocked takes the census anew. It needs mu.
func (p *Pool) countLocked(now time.Time) {
	var digest owner.SetDigest
	for _, key := range p.order {
		digest = digest.Add(key)
	}
	if digest != p.census.digest || p.census.changed.IsZero() {
		p.census = census{digest: digest, changed: now}
	}
}

// Census returns which targets there are, in short; it costs next to nothing.
// Component and Clustered are left to the caller.
func (p *Pool) Census() status.Census {
	p.mu.Lock()
	defer p.mu.Unlock()
	return status.Census{
		Count: len(p.order), Digest: p.census.digest, Interval: p.set.cfg.Interval, Changed: p.census.changed,
	}
}

// Discovered returns the labels that a target came with in SetTargets, without
// what is secret in them; false if there is no such target.
func (p *Pool) Discovered(key owner.Key) (telemetry.Labels, bool) {
	lset, ok := p.Origins(func(k owner.Key) bool { return k == key })[key]
	return lset, ok
}

// Origins returns the labels that wanted targets came with in SetTargets, by key,
// without what is secret in them.
func (p *Pool) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	p.mu.Lock()
	found := p.found
	p.mu.Unlock()
	origins := map[owner.Key]telemetry.Labels{}
	for _, f := range found {
		if key := owner.TargetKey(f); wanted(key) {
			origins[key] = status.HideLabels(f)
		}
	}
	return origins
}
