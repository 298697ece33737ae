package discovery

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// groups holds the latest group of each source that has targets.
type groups map[string]*targetgroup.Group

// merge replaces the groups of list; those without targets are withdrawn.
func (g groups) merge(list []*targetgroup.Group) {
	for _, tg := range list {
		switch {
		case tg == nil:
		case len(tg.Targets) == 0:
			delete(g, tg.Source)
		default:
			g[tg.Source] = tg
		}
	}
}

// targets returns the targets of all groups, each with the labels of its
// group. Where both have a label, the target's own value counts.
func (g groups) targets() []telemetry.Target {
	out := []telemetry.Target{}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, source := range slices.Sorted(maps.Keys(g)) {
		for _, own := range g[source].Targets {
			b.Reset(labels.EmptyLabels())
			for name, value := range g[source].Labels {
				b.Set(string(name), string(value))
			}
			for name, value := range own {
				b.Set(string(name), string(value))
			}
			out = append(out, b.Labels())
		}
	}
	return out
}
