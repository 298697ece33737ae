package ui

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A way is how one target went through the rules of one component.
type way struct {
	Component string
	Before    []labelPair
	Steps     []step
	Dropped   bool
	By        step // that dropped it, if one did
}

// A step is one rule on a way.
type step struct {
	Number  int // from 1
	Rule    string
	Kept    bool
	Changes []change // what the rule did; none: nothing
	After   []labelPair
}

// A labelPair is a label.
type labelPair struct{ Name, Value string }

// A change is what became of a label. Kind is added, removed, changed or same;
// a label that was added has no Old, one that was removed no New.
type change struct{ Name, Kind, Old, New string }

// newWay returns r with what each rule changed.
func newWay(r status.Relabelling) way {
	w := way{Component: r.Component, Before: pairs(r.Before)}
	before := r.Before
	for i, rule := range r.Steps {
		s := step{Number: i + 1, Rule: rule.Rule, Kept: rule.Kept}
		if rule.Kept {
			s.Changes, s.After = differences(before, rule.Labels), pairs(rule.Labels)
			before = rule.Labels
		} else {
			w.Dropped, w.By = true, s
		}
		w.Steps = append(w.Steps, s)
	}
	return w
}

// Name is the address that the target came with, or whatever else it has that
// tells it apart.
func (w way) Name() string {
	for _, name := range []string{"__address__", "instance"} {
		for _, l := range w.Before {
			if l.Name == name {
				return l.Value
			}
		}
	}
	var text []string
	for _, l := range w.Before {
		text = append(text, l.Value)
	}
	return strings.Join(text, " ")
}

// ID is the way's own among those of a component.
func (w way) ID() string {
	sum := fnv.New64a()
	for _, l := range w.Before {
		fmt.Fprintf(sum, "%q%q", l.Name, l.Value)
	}
	return fmt.Sprintf("way-%x", sum.Sum64())
}

// pairs returns labels in the order of their names.
func pairs(ls telemetry.Labels) []labelPair {
	var list []labelPair
	ls.Range(func(l labels.Label) { list = append(list, labelPair{l.Name, l.Value}) })
	return list
}

// compare returns what became of each label, by name.
func compare(before, after telemetry.Labels) []change {
	// Both are sorted by name: walk along them side by side.
	was, is := pairs(before), pairs(after)
	var list []change
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Name < is[0].Name:
			list = append(list, change{was[0].Name, "removed", was[0].Value, ""})
			was = was[1:]
		case len(was) == 0 || is[0].Name < was[0].Name:
			list = append(list, change{is[0].Name, "added", "", is[0].Value})
			is = is[1:]
		default:
			kind := "changed"
			if was[0].Value == is[0].Value {
				kind = "same"
			}
			list = append(list, change{is[0].Name, kind, was[0].Value, is[0].Value})
			was, is = was[1:], is[1:]
		}
	}
	return list
}

// differences returns what compare does, without labels that stayed as they were.
func differences(before, after telemetry.Labels) []change {
	var list []change
	for _, c := range compare(before, after) {
		if c.Kind != "same" {
			list = append(list, c)
		}
	}
	return list
}
