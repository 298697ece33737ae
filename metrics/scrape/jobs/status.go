package jobs

import (
	"log/slog"
	"maps"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Applied reports whether the targets of a first list of jobs are known to
// their pools.
func (p *Pools) Applied() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied
}

// Errs returns why jobs cannot be scraped as they ask, by their names.
func (p *Pools) Errs() map[string]error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.errs)
}

// Told takes a note from the Pools of the same component on another node: see
// scrape.Pool.Told.
func (p *Pools) Told(from string, note []byte) {
	p.mu.Lock()
	log := p.env.Log
	p.mu.Unlock()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p.commons.Told(log, from, note)
}

// Targets returns every target of every job, by the names of the jobs: see
// scrape.Pool.Targets.
func (p *Pools) Targets() []status.Target {
	out := []status.Target{}
	for _, l := range p.inOrder() {
		out = append(out, l.Targets()...)
	}
	return out
}

// Census returns which targets there are, in short: see scrape.Pool.Census.
func (p *Pools) Census() status.Census {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.census
}

// Scrapes returns the recent scrapes of a target: see scrape.Pool.Scrapes.
func (p *Pools) Scrapes(key owner.Key) []status.Scrape {
	for _, l := range p.inOrder() {
		if list := l.Scrapes(key); list != nil {
			return list
		}
	}
	return nil
}

// Discovered returns the labels that a target came with: see
// scrape.Pool.Discovered.
func (p *Pools) Discovered(key owner.Key) (telemetry.Labels, bool) {
	for _, l := range p.inOrder() {
		if lset, ok := l.Discovered(key); ok {
			return lset, true
		}
	}
	return telemetry.Labels{}, false
}

// Origins returns the same of all targets that are wanted, by key.
func (p *Pools) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	out := map[owner.Key]telemetry.Labels{}
	for _, l := range p.inOrder() {
		maps.Copy(out, l.Origins(wanted))
	}
	return out
}
