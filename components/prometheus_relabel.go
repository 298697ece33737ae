package components

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/relabel"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
)

// relabelArguments are the arguments of prometheus.relabel.
type relabelArguments struct {
	ForwardTo []args.Receiver `alloy:"forward_to,attr"`
	Rules     []*args.Rule    `alloy:"rule,block,optional"`

	// MaxCacheSize and CacheTTL size a cache that there is no need for: labels
	// are worked out once per series and kept for as long as the series lives.
	// They are accepted and have no effect.
	MaxCacheSize int           `alloy:"max_cache_size,attr,optional"`
	CacheTTL     time.Duration `alloy:"cache_ttl,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *relabelArguments) SetToDefault() { *a = relabelArguments{MaxCacheSize: 100_000} }

// Validate reports what no cache could be.
func (a *relabelArguments) Validate() error {
	if a.MaxCacheSize <= 0 {
		return errors.New("max_cache_size must be greater than 0")
	}
	if a.CacheTTL < 0 {
		return errors.New("cache_ttl must not be negative")
	}
	return nil
}

// relabelExports are the exports of prometheus.relabel.
type relabelExports struct {
	Receiver args.Receiver `alloy:"receiver,attr"`
	Rules    args.RuleSet  `alloy:"rules,attr"`
}

// prometheusRelabel is one prometheus.relabel.
type prometheusRelabel struct {
	env   component.Env
	rules *relabel.Rules

	mu        sync.Mutex
	forwardTo []telemetry.Sink
	next      telemetry.Sink
}

func newPrometheusRelabel(env component.Env, a relabelArguments) (component.Instance[relabelArguments], error) {
	sinks := args.Sinks(a.ForwardTo)
	c := &prometheusRelabel{env: env, forwardTo: sinks, next: telemetry.Fanout(sinks)}
	c.rules = relabel.New(relabel.Config{
		Rules: args.Rules(a.Rules), Next: c.next, Registry: env.Registry, Live: env.Live, Flow: env.Flow,
	})
	c.export(a)
	return c, nil
}

// Run waits for ctx: samples are passed on by those who append them.
func (c *prometheusRelabel) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update replaces rules and receivers; series are resolved again if that
// matters to them.
func (c *prometheusRelabel) Update(a relabelArguments) error {
	c.mu.Lock()
	if sinks := args.Sinks(a.ForwardTo); !slices.Equal(sinks, c.forwardTo) {
		c.forwardTo, c.next = sinks, telemetry.Fanout(sinks)
	}
	next := c.next
	c.mu.Unlock()
	c.rules.Update(relabel.Config{Rules: args.Rules(a.Rules), Next: next})
	c.export(a)
	return nil
}

func (c *prometheusRelabel) export(a relabelArguments) {
	c.env.Export(relabelExports{Receiver: args.Receiver{Sink: c.rules}, Rules: a.Rules})
}
