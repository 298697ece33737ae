package fleet

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/fleet/report/words"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// newStatus returns divvy fleet status.
func newStatus(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether all is well, and what each node does",
		Long: "Say whether all is well with the fleet, or what is not, and show its nodes.\n\n" +
			"SINCE is when a node began to serve, or will begin or end; LAG is the age of the oldest sample that is\n" +
			"not delivered; SKEW is by how much the node's clock is ahead of the others'. The exit code is 1 if\n" +
			"anything is wrong.",
		Example: "  divvy fleet status\n  divvy fleet status --json | jq -r '.nodes[] | [.name, .load.owned] | @tsv'",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), s, question{path: "status"}, showStatus)
		},
	}
}

// showStatus shows the verdict and the nodes.
func showStatus(p paper, a answer, f report.Fleet) (well bool) {
	well = p.verdict(f)
	p.line("")
	nodes := table{columns: []column{
		{title: "NODE", least: 8}, {title: "STATE"}, {title: "SINCE"}, {title: "TARGETS", right: true},
		{title: "SAMPLES/S", right: true}, {title: "CPU", right: true}, {title: "MEMORY", right: true},
		{title: "LAG", right: true}, {title: "SKEW", right: true}, {title: "VERSION", least: 7}, {title: "CONFIG"},
	}}
	for _, n := range f.Nodes {
		nodes.add(nodeRow(a.at, n, drifted(f.Drift, n.Name))...)
	}
	for _, s := range f.Silent {
		row := make([]cell, len(nodes.columns))
		row[0], row[1] = cell{text: s.Name}, cell{"silent", bad}
		nodes.add(row...)
	}
	nodes.write(p)
	return well
}

// verdict says that all is well, or what is wrong.
func (p paper) verdict(f report.Fleet) (well bool) {
	if len(f.Verdict) == 0 {
		p.say(good, "all is well: %s, %s", count(len(f.Nodes), "node"), covered(f))
		return true
	}
	p.say(bad, "%s %s wrong:", count(len(f.Verdict), "thing"), words.Verb(len(f.Verdict), "is", "are"))
	for _, text := range f.Verdict {
		p.say(bad, "- %s", text)
	}
	return false
}

// covered says that each target has one owner, of a fleet where it is so.
func covered(f report.Fleet) string {
	targets := 0
	for _, c := range f.Coverage {
		if c.Clustered {
			targets += c.Targets
		}
	}
	switch {
	case targets > 0:
	case slices.ContainsFunc(f.Nodes, sharing):
		return "whose targets are not compared yet"
	default:
		return "no targets to share out"
	}
	return count(targets, "target") + ", each scraped once"
}

// sharing reports whether a node has targets that nodes share out.
func sharing(n report.Node) bool {
	return slices.ContainsFunc(n.Targets, func(d report.Digest) bool { return d.Clustered && d.Count > 0 })
}

// nodeRow returns the row of a node. What is unusual about it is in the tone of
// what is bad, whether or not the verdict minds it.
func nodeRow(now time.Time, n report.Node, drifts bool) []cell {
	lag, ahead := lagOf(n), aheadOf(n.Skew)
	row := cells(
		n.Name, n.Stage, ago(now, turning(n)), number(n.Load.Owned), number(int(n.Load.SamplesPerSecond+0.5)),
		fmt.Sprintf("%.2f", n.Load.CPU), human.Bytes(n.Load.RSS), "-", "-", n.Version, short(n.Config.Hash),
	)
	if len(n.Queues) > 0 {
		row[7].text = span(lag)
	}
	if len(n.Skew) > 0 {
		row[8].text = fmt.Sprintf("%+dms", ahead.Milliseconds())
	}
	for i, odd := range map[int]bool{1: n.Stage != "serving", 7: lag > longLag, 8: ahead.Abs() > longSkew, 10: drifts} {
		if odd {
			row[i].tone = bad
		}
	}
	return row
}

// turning returns the date that matters about a node in its stage.
func turning(n report.Node) time.Time {
	switch {
	case !n.Until.IsZero():
		return n.Until
	case !n.From.IsZero():
		return n.From
	}
	return n.Started
}

// What is more than that catches the eye.
const (
	longLag  = time.Minute
	longSkew = 100 * time.Millisecond
)

// lagOf returns the greatest lag of a node's endpoints.
func lagOf(n report.Node) (most time.Duration) {
	for _, q := range n.Queues {
		most = max(most, q.Lag)
	}
	return most
}

// aheadOf returns by how much a node's clock is ahead of the median of all
// clocks, of which its own is one. others are the peers' clocks less its own, in
// seconds.
func aheadOf(others map[string]float64) time.Duration {
	clocks := []float64{0}
	for _, s := range others {
		clocks = append(clocks, s)
	}
	slices.Sort(clocks)
	ahead := -clocks[(len(clocks)-1)/2]
	return time.Duration(math.Round(ahead*1000)) * time.Millisecond
}

// drifted reports whether a node runs another configuration than most.
func drifted(drift []report.Drift, name string) bool {
	return slices.ContainsFunc(drift, func(d report.Drift) bool { return slices.Contains(d.Nodes, name) })
}
