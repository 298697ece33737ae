package kubernetes

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/kube/operator"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/jobs"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// PodMonitors is the kind prometheus.operator.podmonitors.
func PodMonitors() component.Kind {
	return component.Of[operatorArgs, component.None]("prometheus.operator.podmonitors", following(operator.PodMonitors)).Shows(live.Metrics)
}

// Probes is the kind prometheus.operator.probes.
func Probes() component.Kind {
	return component.Of[operatorArgs, component.None]("prometheus.operator.probes", following(operator.Probes)).Shows(live.Metrics)
}

// ScrapeConfigs is the kind prometheus.operator.scrapeconfigs.
func ScrapeConfigs() component.Kind {
	return component.Of[operatorArgs, component.None]("prometheus.operator.scrapeconfigs", following(operator.ScrapeConfigs)).
		At(component.Experimental).Shows(live.Metrics)
}

// ServiceMonitors is the kind prometheus.operator.servicemonitors.
func ServiceMonitors() component.Kind {
	build := func(env component.Env, a serviceArgs) (component.Instance[serviceArgs], error) {
		f, err := newFollower(env, operator.ServiceMonitors, a)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	return component.Of[serviceArgs, component.None]("prometheus.operator.servicemonitors", build).Shows(live.Metrics)
}

// following returns the build function of a kind that follows a resource.
func following(kind operator.Kind) func(component.Env, operatorArgs) (component.Instance[operatorArgs], error) {
	return func(env component.Env, a operatorArgs) (component.Instance[operatorArgs], error) {
		f, err := newFollower(env, kind, serviceArgs{Operator: a})
		if err != nil {
			return nil, err
		}
		return plain{f}, nil
	}
}

// A plain is a follower whose arguments say nothing of files.
type plain struct{ *follower }

// Update replaces the arguments.
func (p plain) Update(a operatorArgs) error { return p.follower.Update(serviceArgs{Operator: a}) }

// A follower scrapes what the objects of one kind ask for.
type follower struct {
	env    component.Env
	kind   operator.Kind
	alone  *cell.Cell[owner.View] // the View without clustering
	engine *operator.Engine
	pools  *jobs.Pools
	jobs   translation

	mu        sync.Mutex
	args      serviceArgs // that count
	forwardTo []telemetry.Sink
	clustered bool
	health    component.Health // that was told last
}

// newFollower asks nothing yet: Run does.
func newFollower(env component.Env, kind operator.Kind, a serviceArgs) (*follower, error) {
	f := &follower{
		env: env, kind: kind, alone: cell.New(owner.Alone(env.Self)),
		jobs: translation{options: a.Operator.Scrape},
	}
	view, lease := f.follows(&a.Operator)
	var err error
	f.pools, err = jobs.New(env.ID, scrape.Config{
		Self: env.Self, View: view, Lease: lease, Log: env.Log, Registry: env.Registry, Dial: env.Dial,
		Tell: env.Tell, Reaches: env.Reaches, Live: env.Live, Flow: env.Flow,
	})
	if err != nil {
		return nil, err
	}
	cfg, err := f.config(a)
	if err != nil {
		return nil, err
	}
	if f.engine, err = operator.New(cfg); err != nil {
		return nil, err
	}
	f.apply(a)
	return f, nil
}

// config translates the arguments for the engine.
func (f *follower) config(a serviceArgs) (operator.Config, error) {
	o := &a.Operator
	api, err := o.Client.Kube().REST()
	if err != nil {
		return operator.Config{}, err
	}
	selector, err := o.Selector.labels()
	if err != nil {
		return operator.Config{}, fmt.Errorf("read selector: %w", err)
	}
	return operator.Config{
		Kind: f.kind, API: api, Namespaces: o.Namespaces, Selector: selector, Rules: args.Rules(o.Rules),
		Scrape: o.Scrape.defaults(), Role: o.KubernetesRole, FileAccess: a.AllowFiles,
		SyncTimeout: o.InformerSyncTimeout, Log: f.env.Log, Registry: f.env.Registry,
		Publish: func(list []*operator.Job) { f.pools.SetJobs(f.jobs.publish(list)) },
	}, nil
}

// follows returns whose View says who owns a target, and by what leave.
func (f *follower) follows(a *operatorArgs) (*cell.Cell[owner.View], *schedule.Lease) {
	if a.clustered() {
		return f.env.View, f.env.Lease
	}
	return f.alone, nil
}

// Run follows the objects and scrapes until ctx is done.
func (f *follower) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.engine.Run(ctx) })
	return f.pools.Run(ctx)
}

// Update replaces the arguments. Jobs stay as they are until all that the new
// ones ask for was seen.
func (f *follower) Update(a serviceArgs) error {
	cfg, err := f.config(a)
	if err != nil {
		return err
	}
	if f.reads(a) {
		if err := f.engine.Update(cfg); err != nil {
			return err
		}
	}
	f.pools.Follow(f.follows(&a.Operator))
	f.apply(a)
	if list, changed := f.jobs.with(a.Operator.Scrape); changed {
		f.pools.SetJobs(list)
	}
	return nil
}

// reads reports whether a asks for other objects, or for something else to be
// made of them, than the arguments before: then all is read again.
func (f *follower) reads(a serviceArgs) bool {
	f.mu.Lock()
	before := f.args
	f.mu.Unlock()
	for _, o := range []*operatorArgs{&before.Operator, &a.Operator} {
		o.ForwardTo, o.Clustering = nil, nil
		o.Scrape.HonorMetadata, o.Scrape.TypeAndUnitLabels, o.Scrape.StartTimestamps = false, false, false
	}
	return !reflect.DeepEqual(before, a)
}

// apply hands the receivers to the pools. A list of the same receivers stays the
// same sink, so that series need not be resolved again.
func (f *follower) apply(a serviceArgs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.args, f.clustered = a, a.Operator.clustered()
	sinks := args.Sinks(a.Operator.ForwardTo)
	if f.forwardTo == nil || !slices.Equal(sinks, f.forwardTo) {
		f.forwardTo = append([]telemetry.Sink{}, sinks...)
		f.pools.SetSink(telemetry.Fanout(f.forwardTo))
	}
}

// Primed reports whether all that there is to share is known.
func (f *follower) Primed() bool { return !f.shares() || f.engine.Synced() && f.pools.Applied() }

// shares reports whether the targets are shared among the nodes of a cluster.
func (f *follower) shares() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clustered
}

// Told takes a note about targets that another node took over.
func (f *follower) Told(from string, note []byte) { f.pools.Told(from, note) }
