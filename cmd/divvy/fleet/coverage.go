package fleet

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/fleet/report/words"
)

// newCoverage returns divvy fleet coverage.
func newCoverage(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "coverage",
		Short: "Say whether each target has exactly one owner",
		Long: "Say of each component that shares targets out whether each of them has exactly one owner. If not, name\n" +
			"the targets, the nodes that disagree, and the label that differs between them. The exit code is then 1,\n" +
			"and also if there are fewer nodes than --cluster.wait-for-size, or one gives no answer.",
		Example: "  divvy fleet coverage || page-somebody",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.json {
				return tell(cmd.Context(), s, question{path: "coverage"}, func(_ paper, _ answer, list []report.Coverage) bool {
					return !slices.ContainsFunc(list, broken)
				})
			}
			// The status says as much, and who gave no answer.
			return tell(cmd.Context(), s, question{path: "status"}, showCoverage)
		},
	}
}

// uncovered reports whether some target of a component does not have exactly one
// owner.
func uncovered(c report.Coverage) bool { return c.Unowned > 0 || c.Multiple > 0 }

// broken reports whether some target of a component does not have exactly one
// owner, or will not with the next change.
func broken(c report.Coverage) bool {
	return uncovered(c) || len(c.Disagree) > 0 || len(c.Faults) > 0
}

// showCoverage shows the coverage of each component and its faults.
func showCoverage(p paper, a answer, f report.Fleet) (well bool) {
	p.warnSilent(f.Silent)
	faulty := slices.ContainsFunc(f.Coverage, broken)
	few := f.Quorum.Needed > 1 && !f.Quorum.Admits
	switch {
	case few:
		p.say(bad, "nobody scrapes: there are %d of the %s that are waited for", f.Quorum.Serving, count(f.Quorum.Needed, "member"))
	case slices.ContainsFunc(f.Coverage, uncovered):
		p.say(bad, "not every target has exactly one owner")
	case faulty:
		p.say(bad, "each target has one owner, but by chance: nodes do not know the same targets")
	case len(f.Silent) == 0:
		p.say(good, "all is well: %s, %s", count(len(f.Nodes), "node"), covered(f))
	}
	if len(f.Coverage) > 0 {
		p.line("")
		coverageTable(a.at, f.Coverage).write(p)
	}
	for _, c := range f.Coverage {
		p.faults(c)
	}
	return !faulty && !few && len(f.Silent) == 0
}

// coverageTable returns a row for each component.
func coverageTable(now time.Time, coverage []report.Coverage) *table {
	t := &table{columns: []column{
		{title: "COMPONENT", least: 12, tail: true}, {title: "TARGETS", right: true}, {title: "UNOWNED", right: true},
		{title: "SEVERAL", right: true}, {title: "DISAGREE", least: 12}, {title: "SINCE"},
	}}
	for _, c := range coverage {
		row := cells(c.Component, number(c.Targets), number(c.Unowned), number(c.Multiple), strings.Join(c.Disagree, ", "), "")
		if !c.Clustered {
			row[2].text, row[3].text = "-", "-" // each node scrapes its own
		}
		if !c.Since.IsZero() {
			row[5].text = ago(now, c.Since)
		}
		for i, wrong := range map[int]bool{2: c.Unowned > 0, 3: c.Multiple > 0, 4: true} {
			if wrong {
				row[i].tone = bad
			}
		}
		t.add(row...)
	}
	return t
}

// faults shows what is wrong with single targets of a component.
func (p paper) faults(c report.Coverage) {
	if len(c.Faults) == 0 {
		return
	}
	p.line("\n%s:", c.Component)
	for _, f := range c.Faults {
		p.line("  %s is scraped by %s", f.URL, words.List(f.Owners))
		if f.Text != "" {
			p.line("      %s", f.Text)
		}
		for _, node := range slices.Sorted(maps.Keys(f.Values)) {
			p.line("      %s on %s: %q", f.Label, node, f.Values[node])
		}
	}
	if more := c.Unowned + c.Multiple - len(c.Faults); more > 0 {
		p.line("  and %s more", number(more))
	}
}
