package scrape

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// census is which targets a pool has, in short. It belongs to Pool.mu.
type census struct {
	digest   owner.SetDigest
	interval time.Duration // the shortest
	changed  time.Time     // when digest changed last
}

// countLocked takes the census anew. It needs mu.
func (p *Pool) countLocked(now time.Time) {
	c := census{changed: p.census.changed}
	for _, key := range p.order {
		c.digest = c.digest.Add(key)
		if interval := p.targets[key].id.Interval; c.interval == 0 || interval < c.interval {
			c.interval = interval
		}
	}
	if c.digest != p.census.digest || c.changed.IsZero() {
		c.changed = now
	}
	p.census = c
}

// Census returns which targets there are, in short; it costs next to nothing.
// Component and Clustered are left to the caller.
func (p *Pool) Census() status.Census {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.census
	return status.Census{Count: len(p.order), Digest: c.digest, Interval: c.interval, Changed: c.changed}
}

// Origins returns the labels that wanted targets came with in SetTargets, by key,
// without what is secret in them.
func (p *Pool) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	p.mu.Lock()
	found, keyOf := p.found, p.keyOfLocked()
	p.mu.Unlock()
	origins := map[owner.Key]telemetry.Labels{}
	for _, f := range found {
		if key := keyOf(f); wanted(key) {
			origins[key] = status.HideLabels(f)
		}
	}
	return origins
}
