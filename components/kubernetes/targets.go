package kubernetes

import (
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Targets returns the targets of all jobs: see component.Scraper.
func (f *follower) Targets() []status.Target {
	list, clustered := f.pools.Targets(), f.shares()
	for i := range list {
		list[i].Component, list[i].Clustered = f.env.ID, clustered
	}
	return list
}

// Census returns which targets there are, in short: see component.Scraper.
func (f *follower) Census() status.Census {
	c := f.pools.Census()
	c.Component, c.Clustered = f.env.ID, f.shares()
	return c
}

// Scrapes returns the recent scrapes of a target: see component.Scraper.
func (f *follower) Scrapes(key owner.Key) []status.Scrape { return f.pools.Scrapes(key) }

// Discovered returns the labels that a target has after its rules: see
// component.Scraper. Explain tells what was before them.
func (f *follower) Discovered(key owner.Key) (telemetry.Labels, bool) { return f.pools.Discovered(key) }

// Origins returns the same of all targets that are wanted, by key: see
// component.Scraper.
func (f *follower) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	return f.pools.Origins(wanted)
}

// Explain returns the ways of targets through the rules of their jobs: see
// component.Relabeller. Of those that the rules drop only so many are told:
// most jobs drop most of what there is.
func (f *follower) Explain(wanted func(before, after telemetry.Labels) bool) []status.Relabelling {
	var out []status.Relabelling
	for _, j := range f.jobs.latest() {
		beforeOf := j.Before()
		for i := range j.Targets {
			t := &j.Targets[i]
			before := beforeOf(t)
			if shown := status.HideLabels(before); wanted(shown, status.HideLabels(t.Labels)) {
				out = append(out, status.Relabelling{Component: f.env.ID, Before: shown, Steps: steps(before, j.Scrape.RelabelConfigs)})
			}
		}
	}
	none := labels.EmptyLabels()
	if !wanted(none, none) {
		return out
	}
	room := maxDropped
	f.engine.Dropped(func(c *config.ScrapeConfig, before telemetry.Labels) bool {
		if shown := status.HideLabels(before); wanted(shown, none) {
			out = append(out, status.Relabelling{Component: f.env.ID, Before: shown, Steps: steps(before, c.RelabelConfigs)})
			room--
		}
		return room > 0
	})
	return out
}

// maxDropped is how many dropped targets are told.
const maxDropped = 2000

// steps returns what each rule makes of a target. One builder goes from rule to
// rule: what a rule for many labels does depends on the order in which those
// before have added them.
func steps(before telemetry.Labels, rules []*relabel.Config) []status.Rule {
	out := make([]status.Rule, 0, len(rules))
	b, read := labels.NewBuilder(before), labels.NewScratchBuilder(16)
	for _, c := range rules {
		kept := relabel.ProcessBuilder(b, c)
		read.Reset()
		b.Range(func(l labels.Label) { read.Add(l.Name, l.Value) })
		read.Sort()
		out = append(out, status.Rule{Rule: line(c), Labels: status.HideLabels(read.Labels()), Kept: kept})
		if !kept {
			break
		}
	}
	return out
}

// line returns a rule as people read it.
func line(c *relabel.Config) string {
	r := args.Rule{
		Separator: c.Separator, Regex: args.Regex(c.Regex.String()), Modulus: c.Modulus,
		TargetLabel: c.TargetLabel, Replacement: c.Replacement, Action: args.Action(c.Action),
	}
	for _, name := range c.SourceLabels {
		r.SourceLabels = append(r.SourceLabels, string(name))
	}
	return r.Line()
}
