package ui

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// maxBars bounds the bars of a picture; of more nodes, those in the middle are
// left out.
const maxBars = 16

// A picture shows how one kind of load divides among the serving nodes: a bar
// for each, and the mean as a line through all of them.
type picture struct {
	Title   string
	Total   string
	Mean    string
	MeanAt  int    // in thousandths of the width
	Excess  string // of the busiest over the mean: +7 %
	Busiest string
	Bars    []bar
}

// A bar is one node of a picture.
type bar struct {
	Node  string
	Text  string // the load as a number
	Over  string // against the mean: +3 %
	Width int    // in thousandths of the width
	Gap   int    // nodes that are left out above it
	full  float64
}

// pictures returns how targets and samples divide, or nothing if fewer than two
// nodes serve.
func pictures(nodes []report.Node) []picture {
	var serving []report.Node
	for _, n := range nodes {
		if n.Stage == "serving" || n.Stage == "leaving" {
			serving = append(serving, n)
		}
	}
	if len(serving) < 2 {
		return nil
	}
	return []picture{
		newPicture("Targets", serving, func(n report.Node) float64 { return float64(n.Load.Owned) },
			func(f float64) string { return human.Count(int64(f + 0.5)) }),
		newPicture("Samples per second", serving, func(n report.Node) float64 { return n.Load.SamplesPerSecond }, human.Short),
	}
}

// newPicture returns the picture of one kind of load.
func newPicture(title string, nodes []report.Node, load func(report.Node) float64, text func(float64) string) picture {
	var bars []bar
	total := 0.0
	for _, n := range nodes {
		bars = append(bars, bar{Node: n.Name, Text: text(load(n)), full: load(n)})
		total += load(n)
	}
	mean := total / float64(len(bars))
	// Bars are as long as the busiest node's, so that small differences show.
	busiest := slices.MaxFunc(bars, func(a, b bar) int { return cmp.Compare(a.full, b.full) })
	if busiest.full == 0 {
		return picture{Title: title, Total: text(0), Mean: text(0), Bars: fewer(bars)}
	}
	for i := range bars {
		bars[i].Width = thousandths(bars[i].full, busiest.full)
		bars[i].Over = human.Percent(bars[i].full/mean - 1)
	}
	return picture{
		Title:   title,
		Total:   text(total),
		Mean:    text(mean),
		MeanAt:  thousandths(mean, busiest.full),
		Excess:  human.Percent(busiest.full/mean - 1),
		Busiest: busiest.Node,
		Bars:    fewer(bars),
	}
}

// thousandths returns part of the whole, drawn on a width of 1000.
func thousandths(part, whole float64) int { return int(part/whole*1000 + 0.5) }

// fewer returns the bars by name, or, of too many, the busiest and the idlest
// by load.
func fewer(bars []bar) []bar {
	if len(bars) <= maxBars {
		return bars
	}
	byLoad := slices.SortedStableFunc(slices.Values(bars), func(a, b bar) int { return cmp.Compare(b.full, a.full) })
	rest := byLoad[len(bars)-maxBars/2:]
	rest[0].Gap = len(bars) - maxBars
	return append(byLoad[:maxBars/2:maxBars/2], rest...)
}

// Gist is the picture in a sentence, for those who do not see it.
func (p picture) Gist() string {
	if p.Busiest == "" {
		return "none yet"
	}
	return fmt.Sprintf("%s in all, %s a node on average; %s has most, %s", p.Total, p.Mean, p.Busiest, p.Excess)
}
