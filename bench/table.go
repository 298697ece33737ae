package main

import (
	"fmt"
	"slices"
	"strings"
)

// A row is what the table says of one collector in one scenario.
type row struct {
	collector string
	runs      []run
}

// A group is the rows of one scenario.
type group struct {
	scenario scenario
	rows     []row
}

// groups puts runs in the order of the scenarios and the collectors.
func groups(runs []run) (list []group) {
	for _, s := range scenarios() {
		g := group{scenario: s}
		for _, c := range collectors(plan{}) {
			r := row{collector: c.name}
			for _, one := range runs {
				if one.Scenario == s.name && one.Collector == c.name {
					r.runs = append(r.runs, one)
				}
			}
			if r.runs != nil {
				g.rows = append(g.rows, r)
			}
		}
		if g.rows != nil {
			list = append(list, g)
		}
	}
	return list
}

// values returns what of returns, run by run.
func (r row) values(of func(run) float64) []float64 {
	values := make([]float64, len(r.runs))
	for i, one := range r.runs {
		values[i] = of(one)
	}
	return values
}

// median returns the median over the runs of what of returns.
func (r row) median(of func(run) float64) float64 { return median(r.values(of)) }

// find returns the row of the collector name.
func (g group) find(name string) (row, bool) {
	i := slices.IndexFunc(g.rows, func(r row) bool { return r.collector == name })
	if i < 0 {
		return row{}, false
	}
	return g.rows[i], true
}

// columns are the heads of the table. Each "divvy ×" is of the column before it.
func columns() []string {
	return []string{
		"scenario", "collector", "CPU s per 1M samples", "divvy ×", "core", "peak", "RSS MiB", "divvy ×", "anonymous", "MiB per 1M series",
		"wire B/sample", "divvy ×", "lost / off", "testbed", "others", "runs", "begun",
	}
}

// markdown returns the table, with a line before it that says what it holds.
func markdown(runs []run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians (least to most). Binaries: %s.\n\n", binaries(runs))
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(columns())
	b.WriteString("|---|---|" + strings.Repeat("---:|", len(columns())-2) + "\n")
	for _, g := range groups(runs) {
		for _, r := range g.rows {
			line(g.cells(r))
		}
	}
	return b.String()
}

// binaries says how large the collectors are, and which builds they were.
func binaries(runs []run) string {
	var list []string
	for _, r := range runs {
		text := fmt.Sprintf("%s %.1f MB (%s)", r.Collector, float64(r.Size)/1e6, r.Build)
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// cells returns the line of r.
func (g group) cells(r row) []string {
	cpu := func(m run) float64 { return m.CPU }
	rss := func(m run) float64 { return m.MeanRSS }
	wire := func(m run) float64 { return m.Wire }
	percent := func(of func(run) float64) string { return fmt.Sprintf("%.0f %%", 100*r.median(of)) }
	limits := g.scenario.limitsBeside(r.collector)
	cells := []string{g.scenario.name, r.collector}
	if g.scenario.idle {
		cells = append(cells, "", "", "", "", spread("%.1f", r.values(rss)), g.ratio(r, rss, limits.rss),
			fmt.Sprintf("%.1f", r.median(func(m run) float64 { return m.Anonymous })), "", "", "", "", "")
	} else {
		cells = append(cells,
			spread("%.2f", r.values(cpu)), g.ratio(r, cpu, limits.cpu),
			percent(func(m run) float64 { return m.Core }),
			g.peak(r),
			spread("%.0f", r.values(rss)), g.ratio(r, rss, limits.rss),
			fmt.Sprintf("%.0f", r.median(func(m run) float64 { return m.Anonymous })),
			fmt.Sprintf("%.0f", r.median(func(m run) float64 { return m.MeanRSS / float64(m.Series) * 1e6 })),
			spread("%.1f", r.values(wire)), g.ratio(r, wire, limits.wire),
			r.defects(),
			percent(func(m run) float64 { return m.Bed }),
		)
	}
	return append(cells,
		spread("%.0f %%", r.values(func(m run) float64 { return 100 * (m.Others + m.Stolen) })),
		r.extent(), r.runs[0].At.UTC().Format("01-02 15:04"))
}

// extent says how often and how long r was measured.
func (r row) extent() string {
	return fmt.Sprintf("%d × %.0f s", len(r.runs), r.median(func(m run) float64 { return float64(m.Seconds) }))
}

// defects returns how many scrapes were lost and how many samples were missing
// from the others, in all runs.
func (r row) defects() string {
	lost, off := 0, int64(0)
	for _, m := range r.runs {
		lost += m.Lost
		off += m.Off
	}
	return fmt.Sprintf("%d / %d", lost, off)
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

// ratio returns divvy's median by that of the row r, beside the limit; nothing
// in divvy's own row.
func (g group) ratio(r row, of func(run) float64, limit float64) string {
	divvy, ok := g.find("divvy")
	if r.collector == "divvy" || !ok || r.median(of) == 0 {
		return ""
	}
	return against(divvy.median(of)/r.median(of), limit)
}

// peak returns r's peak, in divvy's row beside the limit.
func (g group) peak(r row) string {
	limit := g.scenario.limits.peak
	if r.collector != "divvy" {
		limit = 0
	}
	return against(r.median(func(m run) float64 { return m.Peak }), limit)
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
