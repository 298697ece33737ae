package pyroscope

import (
	"context"
	"errors"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/profiles/relabel"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Relabel is the kind pyroscope.relabel.
func Relabel() component.Kind {
	return component.Of[relabelArguments, relabelExports]("pyroscope.relabel", newRelabel).Shows(live.Profiles)
}

// relabelArguments are the arguments of pyroscope.relabel.
type relabelArguments struct {
	ForwardTo []Receiver   `alloy:"forward_to,attr"`
	Rules     []*args.Rule `alloy:"rule,block,optional"`

	// MaxCacheSize is how many series the labels are remembered of, about.
	MaxCacheSize int `alloy:"max_cache_size,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *relabelArguments) SetToDefault() { *a = relabelArguments{MaxCacheSize: 10_000} }

// Validate reports what no cache could be.
func (a *relabelArguments) Validate() error {
	if a.MaxCacheSize <= 0 {
		return errors.New("max_cache_size must be greater than 0")
	}
	return nil
}

// relabelExports are the exports of pyroscope.relabel.
type relabelExports struct {
	Receiver Receiver     `alloy:"receiver,attr"`
	Rules    args.RuleSet `alloy:"rules,attr"`
}

// pyroscopeRelabel is one pyroscope.relabel.
type pyroscopeRelabel struct {
	env   component.Env
	rules *relabel.Rules
}

func newRelabel(env component.Env, a relabelArguments) (component.Instance[relabelArguments], error) {
	c := &pyroscopeRelabel{env: env}
	c.rules = relabel.New(c.config(a))
	c.export(a)
	return c, nil
}

// config returns what the engine is to do.
func (c *pyroscopeRelabel) config(a relabelArguments) relabel.Config {
	return relabel.Config{
		Rules: args.Rules(a.Rules), Next: profiles.Fanout(Sinks(a.ForwardTo)),
		CacheSize: a.MaxCacheSize, Registry: c.env.Registry, Live: c.env.Live, Flow: c.env.Flow,
	}
}

// Run waits for ctx: profiles are passed on by those who append them.
func (c *pyroscopeRelabel) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update replaces rules and receivers.
func (c *pyroscopeRelabel) Update(a relabelArguments) error {
	c.rules.Update(c.config(a))
	c.export(a)
	return nil
}

func (c *pyroscopeRelabel) export(a relabelArguments) {
	c.env.Export(relabelExports{Receiver: Receiver{Sink: c.rules}, Rules: a.Rules})
}
