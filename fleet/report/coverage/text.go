package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/fleet/report/words"
)

// Text says what is wrong and how it is mended. fresh says that the values of the
// label that differs are others each time that they are looked at.
func (p *Place) Text(fresh bool) string {
	switch {
	case len(p.selfish) > 0:
		return fmt.Sprintf("%s %s all targets of this component, which other nodes share out: give it the same clustering block on every node",
			words.List(p.selfish), words.Verb(len(p.selfish), "scrapes", "scrape"))
	case len(p.Labels) > 0 && fresh:
		return fmt.Sprintf("%s has a fresh value each time: %s; %s", named(p.Labels[0]), p.consequence(),
			"leave it out of the target, or give it a value that lasts")
	case len(p.Labels) > 0:
		return fmt.Sprintf("%s differs: %s; %s; %s", named(p.Labels[0]), spell(p.Values), p.consequence(), remedy(p.Labels))
	case len(p.lacking) > 0:
		return fmt.Sprintf("%s %s not find it: %s; compare what discovery says there", words.List(p.lacking),
			words.Verb(len(p.lacking), "does", "do"), p.outcome())
	}
	return fmt.Sprintf("%s: nodes do not agree on who is in the cluster", p.outcome())
}

// named returns a label as people know it.
func named(label string) string {
	if parameter, ok := strings.CutPrefix(label, model.ParamLabelPrefix); ok {
		return fmt.Sprintf("URL parameter `%s`", parameter)
	}
	return fmt.Sprintf("label `%s`", label)
}

// spell returns the values by node. Of many only the first few are spelled out.
func spell(values map[string][]string) string {
	nodes := make([]string, 0, len(values))
	for node := range values {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	const some = 4
	var parts []string
	for _, node := range nodes[:min(len(nodes), some)] {
		parts = append(parts, fmt.Sprintf("%q on node %s", strings.Join(values[node], ", "), node))
	}
	if len(nodes) > some {
		parts = append(parts, fmt.Sprintf("others on %d more", len(nodes)-some))
	}
	return strings.Join(parts, ", ")
}

// consequence says what becomes of a target that each node knows by another
// name.
func (p *Place) consequence() string {
	return "each node takes it for a target of its own, and " + p.outcome()
}

// outcome says who scrapes what is there.
func (p *Place) outcome() string {
	switch {
	case len(p.Servers) == 0:
		return "nobody scrapes it"
	case p.Multiple > 0:
		return fmt.Sprintf("%s %s it, more than once in all", words.List(p.Servers), words.Verb(len(p.Servers), "scrapes", "scrape"))
	case p.Unowned > 0:
		return fmt.Sprintf("some of what is there is scraped by nobody, the rest by %s", words.List(p.Servers))
	}
	return fmt.Sprintf("by chance only %s scrapes it", words.List(p.Servers))
}

// remedy says how labels become the same on all nodes.
func remedy(labels []string) string {
	var others string
	if len(labels) > 1 {
		others = fmt.Sprintf(" (%s, too)", words.List(labels[1:]))
	}
	return "remove what is different per node, such as constants.hostname or sys.env, from the rule or the target that sets it" + others
}
