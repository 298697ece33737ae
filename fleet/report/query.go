package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/report/selector"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// defaultLimit is the length of a page whose query does not say.
const defaultLimit = 50

// A matcher is a query that was understood.
type matcher struct {
	Query
	labels selector.Selector
	text   string // lower case
}

// compile returns what q means, or what is wrong with it.
func (q Query) compile() (matcher, error) {
	m := matcher{Query: q, text: strings.ToLower(strings.TrimSpace(q.Text))}
	m.URL = status.HidePasswords(q.URL) // as it is shown
	var err error
	if m.labels, err = selector.Parse(q.Matchers); err != nil {
		return matcher{}, err
	}
	switch q.Health {
	case "", status.Unknown, status.Up, status.Down:
	default:
		return matcher{}, fmt.Errorf("health %q is none of unknown, up and down", q.Health)
	}
	if orders[strings.TrimPrefix(q.Sort, "-")] == nil {
		return matcher{}, fmt.Errorf("sort %q is none of url, owner, health, duration and samples", q.Sort)
	}
	if q.Offset < 0 || q.Limit < 0 {
		return matcher{}, fmt.Errorf("offset and limit must not be negative")
	}
	return m, nil
}

// matches reports whether the query selects r.
func (m *matcher) matches(r *row, owner string) bool {
	switch {
	case m.Component != "" && m.Component != r.Component,
		m.Owner != "" && m.Owner != owner && !slices.Contains(r.owners, m.Owner),
		m.Health != "" && m.Health != r.Health,
		m.URL != "" && m.URL != r.URL:
		return false
	}
	return m.labels.Matches(r.Labels) && (m.text == "" || m.mentions(&r.Target))
}

// mentions reports whether the text is part of a target's URL, job or labels.
func (m *matcher) mentions(t *status.Target) bool {
	if holds(t.URL, m.text) || holds(t.Job, m.text) {
		return true
	}
	found := false
	t.Labels.Range(func(l labels.Label) { found = found || holds(l.Value, m.text) })
	return found
}

// holds reports whether text has part, which is lower case, in it.
func holds(text, part string) bool {
	if len(text) < len(part) {
		return false
	}
	return strings.Contains(strings.ToLower(text), part)
}

// orders compare rows with their owners, by the name of the order.
var orders = map[string]func(a, b *located) int{
	"":         func(a, b *located) int { return cmp.Compare(a.URL, b.URL) },
	"url":      func(a, b *located) int { return cmp.Compare(a.URL, b.URL) },
	"owner":    func(a, b *located) int { return cmp.Compare(a.owner, b.owner) },
	"health":   func(a, b *located) int { return cmp.Compare(ill[a.Health], ill[b.Health]) },
	"duration": func(a, b *located) int { return cmp.Compare(a.Duration, b.Duration) },
	"samples":  func(a, b *located) int { return cmp.Compare(a.Samples, b.Samples) },
}

// ill orders health: what wants attention comes first.
var ill = map[string]int{status.Down: 0, status.Unknown: 1, status.Up: 2}

// located is a row with its owner.
type located struct {
	*row
	owner string
}

// page returns the part of the table that the query asks for.
func (t *table) page(m matcher) Page {
	var found []located
	for i := range t.rows {
		r := &t.rows[i]
		if owner := t.owner(r); m.matches(r, owner) {
			found = append(found, located{r, owner})
		}
	}
	name, descending := strings.CutPrefix(m.Sort, "-")
	order := orders[name]
	slices.SortStableFunc(found, func(a, b located) int {
		c := order(&a, &b)
		if descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.URL, b.URL), cmp.Compare(a.Component, b.Component), cmp.Compare(a.owner, b.owner))
	})
	p := Page{Total: len(t.rows), Matched: len(found), Offset: m.Offset, Targets: []Placement{}, Silent: t.silent}
	limit := cmp.Or(m.Limit, defaultLimit)
	for _, l := range found[min(m.Offset, len(found)):min(m.Offset+limit, len(found))] {
		p.Targets = append(p.Targets, t.placement(l.row))
	}
	return p
}
