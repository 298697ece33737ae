package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A row is what the table says of one collector.
type row struct {
	name   string
	binary int64 // bytes
	loaded []measurement
	idle   memory // nil: not measured
}

// median returns the median over the rounds of what of returns.
func (r row) median(of func(measurement) float64) float64 {
	values := make([]float64, len(r.loaded))
	for i, m := range r.loaded {
		values[i] = of(m)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// lost returns the scrapes that were lost in any round.
func (r row) lost() (n int) {
	for _, m := range r.loaded {
		n += m.lost
	}
	return n
}

// report writes the table to standard output, and to p.out if that is set.
func report(p plan, rows []row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d targets × %d series every 5 s, remote write 1.0, gzip %t, answers after %s; %d × %s after %s of warm-up; medians, memory in MiB\n\n",
		p.targets, p.series, p.gzip, p.delay, p.rounds, p.measure, p.warmup)
	b.WriteString("| collector  | CPU s per 1M samples | RSS mean | RSS max | anonymous | wire B/sample | arrived | lost scrapes | idle RSS | idle anonymous | binary MB | testbed load |\n")
	b.WriteString("|------------|---------------------:|---------:|--------:|----------:|--------------:|--------:|-------------:|---------:|---------------:|----------:|-------------:|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %-10s | %20.2f | %8.1f | %7.1f | %9.1f | %13.1f | %5.1f %% | %12d | %8.1f | %14.1f | %9.1f | %10.0f %% |\n",
			r.name,
			r.median(func(m measurement) float64 { return m.cpu }),
			r.median(func(m measurement) float64 { return m.meanRSS }),
			r.median(func(m measurement) float64 { return m.maxRSS }),
			r.median(func(m measurement) float64 { return m.anonymous }),
			r.median(func(m measurement) float64 { return m.wire }),
			r.median(func(m measurement) float64 { return 100 * m.share }),
			r.lost(), r.idle.mean("VmRSS"), r.idle.mean("RssAnon"), float64(r.binary)/1e6,
			r.median(func(m measurement) float64 { return 100 * m.bedLoad }))
	}
	fmt.Print(b.String())
	if p.out == "" {
		return nil
	}
	return os.WriteFile(p.out, []byte(b.String()), 0o644)
}
