package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// fault returns the place as people are told of it. fresh says that the values
// of its label are others each time that they are looked at.
func (p *place) fault(fresh bool) Fault {
	f := Fault{URL: p.url, Owners: nonNil(p.servers)}
	if len(p.labels) > 0 {
		f.Label, f.Values = p.labels[0], map[string]string{}
		for node, values := range p.values {
			f.Values[node] = strings.Join(values, ", ")
		}
	}
	f.Text = p.text(f.Values, fresh)
	return f
}

// text says what is wrong and how it is mended.
func (p *place) text(values map[string]string, fresh bool) string {
	switch {
	case len(p.selfish) > 0:
		return fmt.Sprintf("%s %s all targets of this component, which other nodes share out: give it the same clustering block on every node",
			list(p.selfish), verb(p.selfish, "scrapes", "scrape"))
	case len(p.labels) > 0 && fresh:
		return fmt.Sprintf("%s has a fresh value each time: %s; %s", named(p.labels[0]), p.consequence(),
			"leave it out of the target, or give it a value that lasts")
	case len(p.labels) > 0:
		return fmt.Sprintf("%s differs: %s; %s; %s", named(p.labels[0]), spell(values), p.consequence(), remedy(p.labels))
	case len(p.lacking) > 0:
		return fmt.Sprintf("%s %s not find it: %s; compare what discovery says there", list(p.lacking),
			verb(p.lacking, "does", "do"), p.outcome())
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
func spell(values map[string]string) string {
	nodes := make([]string, 0, len(values))
	for node := range values {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	const some = 4
	var parts []string
	for _, node := range nodes[:min(len(nodes), some)] {
		parts = append(parts, fmt.Sprintf("%q on node %s", values[node], node))
	}
	if len(nodes) > some {
		parts = append(parts, fmt.Sprintf("others on %d more", len(nodes)-some))
	}
	return strings.Join(parts, ", ")
}

// consequence says what becomes of a target that each node knows by another
// name.
func (p *place) consequence() string {
	return "each node takes it for a target of its own, and " + p.outcome()
}

// outcome says who scrapes what is there.
func (p *place) outcome() string {
	switch {
	case len(p.servers) == 0:
		return "nobody scrapes it"
	case p.multiple > 0:
		return fmt.Sprintf("%s %s it, more than once in all", list(p.servers), verb(p.servers, "scrapes", "scrape"))
	case p.unowned > 0:
		return fmt.Sprintf("some of what is there is scraped by nobody, the rest by %s", list(p.servers))
	}
	return fmt.Sprintf("by chance only %s scrapes it", list(p.servers))
}

// remedy says how labels become the same on all nodes.
func remedy(labels []string) string {
	var others string
	if len(labels) > 1 {
		others = fmt.Sprintf(" (%s, too)", list(labels[1:]))
	}
	return "remove what is different per node, such as constants.hostname or sys.env, from the rule or the target that sets it" + others
}

// list joins names: a, b and c.
func list(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "nobody"
	case n == 1:
		return names[0]
	case n > 5:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:4], ", "), n-4)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// verb returns the form of a verb that goes with as many names.
func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}
