package mixin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Metrics are the label sets under which each metric is exposed, by its name.
type Metrics map[string][]labels.Labels

// targetLabels are added by whoever scrapes divvy.
var targetLabels = [...]string{"cluster", "namespace", "job", "instance"}

// Missing returns what the mixin asks for and exposed does not have: metrics,
// labels, and values that matchers ask for. Each is a sentence.
func Missing(exposed Metrics) ([]string, error) {
	list, err := expressions()
	if err != nil {
		return nil, err
	}
	c := &checker{exposed: exposed, recorded: map[string]parser.Expr{}}
	for _, e := range list {
		if e.record != "" {
			c.recorded[e.record] = e.parsed
		}
	}
	for _, e := range list {
		c.where = e.where
		has := c.labels(e.parsed)
		for _, name := range e.names {
			if !has[name] {
				c.complain("{{%s}} is no label of the result", name)
			}
		}
	}
	return c.missing, nil
}

// A checker follows labels from the metrics of an expression to its result.
type checker struct {
	exposed  Metrics
	recorded map[string]parser.Expr
	where    string // what is being checked
	missing  []string
}

func (c *checker) complain(format string, args ...any) {
	c.missing = append(c.missing, c.where+": "+fmt.Sprintf(format, args...))
}

// A set of label names.
type set map[string]bool

func setOf(names ...string) set {
	s := set{}
	for _, n := range names {
		s[n] = true
	}
	return s
}

// labels returns those that the result of e may have.
func (c *checker) labels(e parser.Expr) set {
	switch e := e.(type) {
	case *parser.VectorSelector:
		return c.selected(e)
	case *parser.AggregateExpr:
		return c.aggregated(e)
	case *parser.BinaryExpr:
		return c.combined(e)
	}
	has := set{}
	for child := range parser.ChildrenIter(e) {
		if x, ok := child.(parser.Expr); ok {
			maps.Copy(has, c.labels(x))
		}
	}
	return has
}

// selected returns the labels of the series that s selects.
func (c *checker) selected(s *parser.VectorSelector) set {
	if rule := c.recorded[s.Name]; rule != nil {
		return c.labels(rule)
	}
	series := c.exposed[s.Name]
	if len(series) == 0 {
		c.complain("%s is not exposed", s.Name)
	}
	has, found := setOf(targetLabels[:]...), false
	for _, ls := range series {
		if matches(s, ls) {
			found = true
			ls.Range(func(l labels.Label) { has[l.Name] = true })
		}
	}
	if !found && len(series) > 0 {
		c.complain("no series matches %s", s)
	}
	return has
}

// matches reports whether s selects a series, whoever exposes it.
func matches(s *parser.VectorSelector, series labels.Labels) bool {
	return !slices.ContainsFunc(s.LabelMatchers, func(m *labels.Matcher) bool {
		return m.Name != model.MetricNameLabel && !slices.Contains(targetLabels[:], m.Name) && !m.Matches(series.Get(m.Name))
	})
}

// aggregated returns the labels that a keeps. Each must exist below it.
func (c *checker) aggregated(a *parser.AggregateExpr) set {
	below := c.labels(a.Expr)
	if a.Without {
		for _, name := range a.Grouping {
			delete(below, name)
		}
		return below
	}
	for _, name := range a.Grouping {
		if !below[name] {
			c.complain("nothing in %s has a label %s", a.Expr, name)
		}
	}
	return setOf(a.Grouping...)
}

// combined returns the labels of two sides. Those that they are matched on must
// exist on either.
func (c *checker) combined(b *parser.BinaryExpr) set {
	left, right := c.labels(b.LHS), c.labels(b.RHS)
	all := maps.Clone(left)
	maps.Copy(all, right)
	if b.VectorMatching == nil || !b.VectorMatching.On {
		return all
	}
	for _, name := range slices.Concat(b.VectorMatching.MatchingLabels, b.VectorMatching.Include) {
		if !all[name] {
			c.complain("neither side of %s has a label %s", b, name)
		}
	}
	if b.VectorMatching.Card == parser.CardOneToOne {
		return setOf(b.VectorMatching.MatchingLabels...)
	}
	return all
}

// placeholders are what Grafana puts values for.
var placeholders = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h",
	"$cluster_name", ".*", "$cluster", ".*", "$namespace", ".*", "$job", ".*", "$instance", ".*")
