package components

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
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
type discoveryRelabel struct {
	env  component.Env
	args atomic.Pointer[targetRules]
}

// newDiscoveryRelabel exports at once.
func newDiscoveryRelabel(env component.Env, a targetRules) (component.Instance[targetRules], error) {
	d := &discoveryRelabel{env: env}
	err := d.Update(a)
	env.Live.Greet(func(say func(string)) { d.say(func(line func() string) { say(line()) }) })
	return d, err
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
	d.args.Store(&a)
	d.env.Flow.Add(len(kept))
	if d.env.Live.Watched() {
		d.say(d.env.Live.Say)
	}
	d.env.Export(targetRulesExport{Output: kept, Rules: a.Rules})
	return nil
}

// say says what becomes of each target.
func (d *discoveryRelabel) say(say func(line func() string)) {
	a := d.args.Load()
	w := newWay(a.Rules)
	for _, t := range a.Targets {
		say(func() string {
			before, after := status.HideLabels(t.Target).String(), "dropped"
			if end := w.end(t.Target); !end.IsEmpty() {
				after = status.HideLabels(end).String()
			}
			return before + " => " + after
		})
	}
}

// Explain returns the ways of targets through the rules: see
// component.Relabeller.
func (d *discoveryRelabel) Explain(wanted func(before, after telemetry.Labels) bool) []status.Relabelling {
	a := d.args.Load()
	w := newWay(a.Rules)
	var out []status.Relabelling
	for _, t := range a.Targets {
		before := status.HideLabels(t.Target)
		if wanted(before, status.HideLabels(w.end(t.Target))) {
			out = append(out, status.Relabelling{Component: d.env.ID, Before: before, Steps: w.steps(t.Target)})
		}
	}
	return out
}

// A way is that of a target through rules. One goroutine may use it at a time.
//
// The rules work on one builder from the first to the last, and are never given
// a set of labels that was read from it: what a rule for many labels does
// depends on the order in which the rules before have added them.
type way struct {
	rules []*relabel.Config
	lines []string
	b     *labels.Builder
	read  labels.ScratchBuilder
}

// newWay returns the way through rules.
func newWay(rules []*args.Rule) *way {
	w := &way{
		rules: args.Rules(rules),
		b:     labels.NewBuilder(labels.EmptyLabels()),
		read:  labels.NewScratchBuilder(16),
	}
	for _, r := range rules {
		w.lines = append(w.lines, r.Line())
	}
	return w
}

// end returns what becomes of t; nothing if it is dropped.
func (w *way) end(t telemetry.Target) telemetry.Labels {
	w.b.Reset(t)
	if !relabel.ProcessBuilder(w.b, w.rules...) {
		return labels.EmptyLabels()
	}
	return w.b.Labels()
}

// steps returns what each rule makes of t, up to the one that drops it.
func (w *way) steps(t telemetry.Target) []status.Rule {
	steps := make([]status.Rule, 0, len(w.rules))
	w.b.Reset(t)
	for i, rule := range w.rules {
		kept := relabel.ProcessBuilder(w.b, rule)
		w.read.Reset()
		w.b.Range(func(l labels.Label) { w.read.Add(l.Name, l.Value) })
		w.read.Sort()
		steps = append(steps, status.Rule{Rule: w.lines[i], Labels: status.HideLabels(w.read.Labels()), Kept: kept})
		if !kept {
			break
		}
	}
	return steps
}
