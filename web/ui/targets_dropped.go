package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// droppedRows is how many dropped targets are listed at once.
const droppedRows = 50

// droppedPage is the targets that the rules of a component drop on this node.
type droppedPage struct {
	Link       link
	Self       string
	Component  string
	Components []option
	Rules      []ruleCount // by which they were dropped
	Rows       []way
	Pager      pager
}

// A ruleCount is how many targets a rule dropped.
type ruleCount struct {
	Rule  string
	Count int
}

// relabellers returns the IDs of components whose rules may drop targets.
func (u *UI) relabellers() []string {
	var ids []string
	for id := range pipeline.Powers[component.Relabeller](u.cfg.Pipeline) {
		ids = append(ids, id)
	}
	return ids
}

// dropped is the model of the list of dropped targets. Without a component it
// shows those of the first one.
func (u *UI) dropped(r *http.Request) (any, error) {
	l, ids := linkOf(r), u.relabellers()
	id := l.Get("component")
	if id == "" && len(ids) > 0 {
		id = ids[0]
	}
	var ways []status.Relabelling
	if relabeller, ok := pipeline.PowerOf[component.Relabeller](u.cfg.Pipeline, id); ok {
		// The ways are made for this page and forgotten; only those that end
		// without labels are asked for.
		ways = relabeller.Explain(func(_, after telemetry.Labels) bool { return after.IsEmpty() })
	} else if id != "" {
		return nil, refuse(http.StatusNotFound, "This node has no component %q that relabels targets.", id)
	}
	page := listDropped(l, ways)
	page.Self, page.Component = u.cfg.Self, id
	for _, c := range ids {
		page.Components = append(page.Components, option{c, c, c == id})
	}
	return page, nil
}

// listDropped returns the page that l asks for out of the ways of targets that
// were dropped.
func listDropped(l link, all []status.Relabelling) droppedPage {
	var rows []way
	counts := map[string]int{}
	for _, r := range all {
		w := newWay(r)
		if !w.Dropped || !mentions(r.Before, l.Get("q")) {
			continue
		}
		rows = append(rows, w)
		counts[w.By.Rule]++
	}
	slices.SortStableFunc(rows, func(a, b way) int { return natural(a.Name(), b.Name()) })
	page := droppedPage{Link: l, Pager: l.pager(droppedRows, len(rows), len(all))}
	page.Rows = part(rows, page.Pager)
	for rule, n := range counts {
		page.Rules = append(page.Rules, ruleCount{rule, n})
	}
	slices.SortFunc(page.Rules, func(a, b ruleCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Rule, b.Rule))
	})
	return page
}

// mentions reports whether each word of text is part of a label's value.
func mentions(ls telemetry.Labels, text string) bool {
	for _, word := range strings.Fields(strings.ToLower(text)) {
		found := false
		ls.Range(func(l labels.Label) { found = found || strings.Contains(strings.ToLower(l.Value), word) })
		if !found {
			return false
		}
	}
	return true
}
