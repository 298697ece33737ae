package components

import (
	"context"
	"fmt"
	"time"

	sd "github.com/prometheus/prometheus/discovery"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/discovery"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
)

// targetsExport is what every component that finds targets exports.
type targetsExport struct {
	Targets []args.Target `alloy:"targets,attr"`
}

// A finder is an instance of a discovery kind with arguments of type A. All of
// them are the same but for how arguments become the set-up of a discoverer.
type finder[A any] struct {
	source   func(A) sd.Config
	provider *discovery.Provider
}

// newFinder returns the build function of a discovery kind.
func newFinder[A any](source func(A) sd.Config) func(component.Env, A) (component.Instance[A], error) {
	return func(env component.Env, a A) (component.Instance[A], error) {
		show := showTargets(env)
		p, err := discovery.New(discovery.Config{
			Source:   source(a),
			Name:     env.ID,
			Log:      env.Log,
			Registry: env.Registry,
			Publish: func(list []telemetry.Target) {
				show(list)
				env.Export(targetsExport{Targets: args.FromTargets(list)})
			},
		})
		if err != nil {
			return nil, err
		}
		return &finder[A]{source: source, provider: p}, nil
	}
}

// Run follows the discoverer until ctx is done.
func (f *finder[A]) Run(ctx context.Context) error {
	f.provider.Run(ctx)
	return nil
}

// Update replaces the discoverer; its list stays until the new one has
// answered.
func (f *finder[A]) Update(a A) error { return f.provider.Update(f.source(a)) }

// positive is the rule of every interval, frequency and timeout.
func positive(name string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s must be greater than 0, for instance \"30s\"", name)
	}
	return nil
}
