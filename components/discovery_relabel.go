package components

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// targetRules are the arguments of discovery.relabel: rules for targets.
type targetRules struct {
	Targets []args.Target `alloy:"targets,attr"`
	Rules   []*args.Rule  `alloy:"rule,block,optional"` // applied in this order
}

// targetRulesExport is the targets that the rules keep, in order, and the
// rules themselves.
type targetRulesExport struct {
	Output []args.Target `alloy:"output,attr"`
	Rules  args.RuleSet  `alloy:"rules,attr"`
}

// A discoveryRelabel has no life of its own: it exports when it is updated.
type discoveryRelabel struct{ export func(any) }

// newDiscoveryRelabel exports at once.
func newDiscoveryRelabel(env component.Env, a targetRules) (component.Instance[targetRules], error) {
	d := &discoveryRelabel{export: env.Export}
	return d, d.Update(a)
}

// Run has nothing to do.
func (d *discoveryRelabel) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update applies the rules to the targets. Labels that begin with "__" stay:
// they steer the scrape.
func (d *discoveryRelabel) Update(a targetRules) error {
	rules := args.Rules(a.Rules)
	kept := make([]args.Target, 0, len(a.Targets))
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, t := range a.Targets {
		b.Reset(t.Target)
		if relabel.ProcessBuilder(b, rules...) {
			kept = append(kept, args.Target{Target: b.Labels()})
		}
	}
	d.export(targetRulesExport{Output: kept, Rules: a.Rules})
	return nil
}
