package main

import (
	"fmt"
	"slices"
	"strings"
)

// A row is what the table says of one collector in one scenario.
type row struct {
	collector collector
	loaded    []measurement // by round
}

// A group is the rows of one scenario.
type group struct {
	scenario scenario
	rows     []row
}

// values returns what of returns, by round.
func (r row) values(of func(measurement) float64) []float64 {
	values := make([]float64, len(r.loaded))
	for i, m := range r.loaded {
		values[i] = of(m)
	}
	return values
}

// median returns the median over the rounds of what of returns.
func (r row) median(of func(measurement) float64) float64 { return median(r.values(of)) }

// sum returns the sum over the rounds of what of returns.
func (r row) sum(of func(measurement) int64) (n int64) {
	for _, m := range r.loaded {
		n += of(m)
	}
	return n
}

// find returns the row of the collector name.
func (g group) find(name string) (row, bool) {
	i := slices.IndexFunc(g.rows, func(r row) bool { return r.collector.name == name })
	if i < 0 {
		return row{}, false
	}
	return g.rows[i], true
}

// columns are the heads of the table.
func columns() []string {
	return []string{
		"scenario", "collector", "CPU s per 1M samples", "× peer", "core", "peak", "RSS MiB", "× peer", "anonymous", "MiB per 1M series",
		"wire B/sample", "× peer", "arrived", "lost scrapes", "samples off", "testbed",
	}
}

// markdown returns the table, with a line before it that says what was done.
func markdown(p plan, groups []group) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d × %s after %s of warm-up, or longer where a scenario needs it; medians (least to most); RSS is the mean of a run; binaries:%s\n\n",
		p.rounds, p.measure, p.warmup, binaries(groups))
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(columns())
	b.WriteString("|---|---|" + strings.Repeat("---:|", len(columns())-2) + "\n")
	for _, g := range groups {
		for _, r := range g.rows {
			line(g.cells(r))
		}
	}
	return b.String()
}

// binaries says how large the collectors are.
func binaries(groups []group) string {
	var list []string
	for _, g := range groups {
		for _, r := range g.rows {
			text := fmt.Sprintf(" %s %.1f MB", r.collector.name, float64(size(r.collector.binary))/1e6)
			if !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	return strings.Join(list, ",")
}

// cells returns the line of r.
func (g group) cells(r row) []string {
	s := g.scenario
	cpu := func(m measurement) float64 { return m.cpu }
	rss := func(m measurement) float64 { return m.meanRSS }
	wire := func(m measurement) float64 { return m.wire }
	cells := []string{s.name, r.collector.name}
	if s.idle {
		return append(cells, "", "", "", "", spread("%.1f", r.values(rss)), g.ratio(r, rss, s.limits.rss),
			fmt.Sprintf("%.1f", r.median(func(m measurement) float64 { return m.anonymous })), "", "", "", "", "", "", "")
	}
	return append(cells,
		spread("%.2f", r.values(cpu)), g.ratio(r, cpu, s.limits.cpu),
		fmt.Sprintf("%.0f %%", 100*r.median(func(m measurement) float64 { return m.core })),
		g.peak(r),
		spread("%.0f", r.values(rss)), g.ratio(r, rss, s.limits.rss),
		fmt.Sprintf("%.0f", r.median(func(m measurement) float64 { return m.anonymous })),
		fmt.Sprintf("%.0f", r.median(rss)/float64(s.targets*s.kept())*1e6),
		spread("%.1f", r.values(wire)), g.ratio(r, wire, s.limits.wire),
		fmt.Sprintf("%.1f %%", 100*r.median(func(m measurement) float64 { return m.share })),
		fmt.Sprint(r.sum(func(m measurement) int64 { return int64(m.lost) })),
		fmt.Sprint(r.sum(func(m measurement) int64 { return m.off })),
		fmt.Sprintf("%.0f %%", 100*r.median(func(m measurement) float64 { return m.bedLoad })),
	)
}

// spread returns the median of values and, if there are several, the least and
// the most.
func spread(format string, values []float64) string {
	text := fmt.Sprintf(format, median(values))
	if len(values) < 2 {
		return text
	}
	return fmt.Sprintf("%s (%s to %s)", text, fmt.Sprintf(format, slices.Min(values)), fmt.Sprintf(format, slices.Max(values)))
}

// ratio returns divvy's median by the peer's, beside the limit; nothing in the
// rows of others, and where the peer was not measured.
func (g group) ratio(r row, of func(measurement) float64, limit float64) string {
	peer, ok := g.find(g.scenario.peer)
	if r.collector.name != "divvy" || !ok || peer.median(of) == 0 {
		return ""
	}
	return against(r.median(of)/peer.median(of), limit)
}

// peak returns r's peak, in divvy's row beside the limit.
func (g group) peak(r row) string {
	limit := g.scenario.limits.peak
	if r.collector.name != "divvy" {
		limit = 0
	}
	return against(r.median(func(m measurement) float64 { return m.peak }), limit)
}

// against returns a ratio beside its limit, in bold if it is above it.
func against(ratio, limit float64) string {
	switch text := fmt.Sprintf("%.2f", ratio); {
	case ratio == 0:
		return ""
	case limit == 0:
		return text
	case ratio > limit:
		return fmt.Sprintf("**%s** (≤ %g)", text, limit)
	default:
		return fmt.Sprintf("%s (≤ %g)", text, limit)
	}
}
