package operator

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/kube/operator/sources"
)

// A filter has the rules of a job that keep or drop a target by nothing but what
// was discovered, so that they can be asked first. Most jobs keep a few of all
// pods: a group that is none of theirs is dropped in a microsecond, and without
// making its labels.
type filter []*relabel.Config

// newFilter returns the filter of a list of rules: those whose labels no rule
// before them writes. It ends where a rule writes labels that are not named.
func newFilter(rules []*relabel.Config) filter {
	var out filter
	written := map[string]bool{}
	for _, r := range rules {
		switch r.Action {
		case relabel.Keep, relabel.Drop:
			if len(r.SourceLabels) > 0 && !slices.ContainsFunc(r.SourceLabels, func(n model.LabelName) bool {
				return written[string(n)] || !strings.HasPrefix(string(n), model.MetaLabelPrefix)
			}) {
				out = append(out, r)
			}
		case relabel.KeepEqual, relabel.DropEqual:
		case relabel.Replace, relabel.Lowercase, relabel.Uppercase, relabel.HashMod:
			if strings.Contains(r.TargetLabel, "$") {
				return out
			}
			written[r.TargetLabel] = true
		default:
			return out
		}
	}
	return out
}

// group asks the rules that are about a whole group. It returns false if they
// drop it, and the rules that are about single targets.
func (f filter) group(g *sources.Group) (filter, bool) {
	var rest filter
	for _, r := range f {
		switch {
		case ownedBy(g, r.SourceLabels):
			rest = append(rest, r)
		case drops(r, g.Shared, labels.EmptyLabels()):
			return nil, false
		}
	}
	return rest, true
}

// drop reports whether one of the rules drops a target.
func (f filter) drop(shared, own labels.Labels) bool {
	return slices.ContainsFunc(f, func(r *relabel.Config) bool { return drops(r, shared, own) })
}

// ownedBy reports whether a target of g has one of the labels for itself.
func ownedBy(g *sources.Group, names model.LabelNames) bool {
	for _, own := range g.Targets {
		for _, name := range names {
			if own.Has(string(name)) {
				return true
			}
		}
	}
	return false
}

// drops reports whether a rule that keeps or drops drops a target.
func drops(r *relabel.Config, shared, own labels.Labels) bool {
	var few [4]string
	values := few[:0]
	for _, name := range r.SourceLabels {
		value := own.Get(string(name))
		if value == "" {
			value = shared.Get(string(name))
		}
		values = append(values, value)
	}
	return r.Regex.MatchString(strings.Join(values, r.Separator)) == (r.Action == relabel.Drop)
}
