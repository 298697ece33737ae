package sources

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
)

// A Group is what a source found in one place: a pod, a service, a file. It is
// immutable.
type Group struct {
	Shared  labels.Labels   // of all targets; their own count where both have one
	Targets []labels.Labels // in the order of their labels
}

// newGroup reads a group as discoverers send it.
func newGroup(g *targetgroup.Group) *Group {
	out := &Group{Shared: read(g.Labels), Targets: make([]labels.Labels, len(g.Targets))}
	for i, t := range g.Targets {
		out.Targets[i] = read(t)
	}
	// Some discoverers send targets in the order of a map.
	slices.SortFunc(out.Targets, labels.Compare)
	return out
}

// equal reports whether g and other find the same; nil is a group that is gone.
func (g *Group) equal(other *Group) bool {
	if g == nil || other == nil {
		return g == other
	}
	return labels.Equal(g.Shared, other.Shared) && slices.EqualFunc(g.Targets, other.Targets, labels.Equal)
}

// read returns a label set without its empty labels, which mean nothing.
func read(set model.LabelSet) labels.Labels {
	b := labels.NewScratchBuilder(len(set))
	for name, value := range set {
		if value != "" {
			b.Add(string(name), string(value))
		}
	}
	b.Sort()
	return b.Labels()
}
