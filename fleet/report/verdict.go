package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/divvy-collector/divvy/fleet/report/words"
)

// verdict says all that is wrong with a fleet, the worst first: targets that
// are not scraped once, nodes that do not answer, what nodes say is wrong with
// them, configurations that differ.
func verdict(f *Fleet) []string {
	all := []string{}
	for i := range f.Coverage {
		if c := &f.Coverage[i]; c.Unowned+c.Multiple+len(c.Disagree) > 0 {
			all = append(all, c.sentence())
		}
	}
	for _, s := range f.Silent {
		if s.Reason != errForeign.Error() {
			all = append(all, fmt.Sprintf("node %s does not answer: %s", s.Name, s.Reason))
		}
	}
	all = append(all, nodeProblems(f.Nodes)...)
	for i := range f.Drift {
		all = append(all, f.Drift[i].sentence())
	}
	return all
}

// sentence says what is wrong with the coverage of a component.
func (c *Coverage) sentence() string {
	var parts []string
	if c.Unowned > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s %s scraped by nobody", c.Unowned, words.Count(c.Targets, "target"), words.Verb(c.Unowned, "is", "are")))
	}
	if c.Multiple > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s %s scraped more than once", c.Multiple, words.Count(c.Targets, "target"), words.Verb(c.Multiple, "is", "are")))
	}
	if len(parts) == 0 {
		parts = append(parts, words.List(c.Disagree)+words.Verb(len(c.Disagree), " knows other targets than the others", " disagree about which targets there are"))
	}
	text := c.Component + ": " + strings.Join(parts, ", ")
	if len(c.Faults) > 0 {
		text += ": " + c.Faults[0].Text
	}
	return text
}

// sentence says which nodes drift, and where.
func (d *Drift) sentence() string {
	text := fmt.Sprintf("node %s %s another configuration than most since %s", words.List(d.Nodes),
		words.Verb(len(d.Nodes), "runs", "run"), d.Since.Format("15:04:05"))
	if len(d.Components) > 0 {
		text += ": " + words.List(d.Components)
	} else if len(d.Files) > 0 {
		text += ": " + words.List(d.Files)
	}
	return text
}

// nodeProblems returns the problems of all nodes. What several say is one.
func nodeProblems(nodes []Node) (all []string) {
	who := map[string][]string{}
	var order []string
	for i := range nodes {
		for _, p := range nodes[i].Problems {
			if who[p] == nil {
				order = append(order, p)
			}
			who[p] = append(who[p], nodes[i].Name)
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(who[b]) - len(who[a]) })
	for _, p := range order {
		all = append(all, fmt.Sprintf("%s: %s", words.List(who[p]), p))
	}
	return all
}
