// Command bench measures divvy, vmagent and the Prometheus agent on the same
// targets and the same receiver, one after the other, and prints one table.
//
//	cpu 0: the collector under test
//	cpu 1: package testbed as a program: targets and receiver
//
// A scenario says what the targets show and what is asked of the collectors
// (-list). About two in five values change with every scrape, and the targets'
// labels differ. Samples are counted where they arrive: only those of the
// targets, without up and its like. CPU is what the kernel booked for the
// collector's process, user and system, while it was measured; memory is read
// once a second. The warm-up is not measured. The order of the collectors
// rotates from round to round; the table holds medians, with the least and the
// most where there is more than one round.
//
// What the collectors promise differs: divvy's samples and the Prometheus
// agent's are on disk before they are sent, vmagent's are in memory.
//
// Invariant: nothing is downloaded or built while a collector is measured.
// Invariant: the collectors of a row group did the same work: each is checked
// for scrapes that were lost and for samples that a scrape lacks.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// A plan is what to measure, and for how long.
type plan struct {
	root      string // of divvy's module
	cache     string // for binaries and the collectors' storage
	only      string // names of collectors, comma-separated; empty: all
	out       string // file for the table as well; empty: none
	scenarios []scenario
	rounds    int
	warmup    time.Duration
	measure   time.Duration
}

func main() {
	p := plan{rounds: fromEnv("BENCH_ROUNDS", 1)}
	p.measure = time.Duration(fromEnv("BENCH_SECONDS", 30)) * time.Second
	names := flag.String("scenario", "rw1", "measure these `names`, comma-separated, or all")
	list := flag.Bool("list", false, "list the scenarios and measure nothing")
	targets := flag.Int("targets", 0, "`number` of targets; 0: as the scenario says")
	series := flag.Int("series", 0, "`number` of series of each target; 0: as the scenario says")
	flag.StringVar(&p.root, "root", ".", "`directory` of the module divvy")
	flag.StringVar(&p.only, "only", "", "measure only these `collectors`, comma-separated")
	flag.StringVar(&p.out, "o", "", "write the table to `file` as well")
	flag.IntVar(&p.rounds, "rounds", p.rounds, "`number` of rounds; the default is $BENCH_ROUNDS")
	flag.DurationVar(&p.measure, "measure", p.measure, "`time` to measure, rounded up to whole intervals; the default is $BENCH_SECONDS")
	flag.DurationVar(&p.warmup, "warmup", 20*time.Second, "`time` before that; some scenarios need more")
	flag.Parse()
	if *list {
		for _, s := range scenarios() {
			fmt.Println(s)
		}
		return
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if p.scenarios, err = choose(*names); err == nil {
		resize(p.scenarios, *targets, *series)
		err = run(ctx, p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// fromEnv returns the number in the variable name, or otherwise.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// resize changes the fleets; 0 leaves a number as it is.
func resize(list []scenario, targets, series int) {
	for i := range list {
		if targets > 0 {
			list[i].targets = targets
		}
		if series > 0 {
			list[i].series = series
		}
	}
}

// run builds what is missing, measures scenario by scenario and round by round,
// and prints the table.
func run(ctx context.Context, p plan) error {
	p.cache = filepath.Join(p.root, "bench", ".cache")
	list, err := build(ctx, p)
	if err != nil {
		return err
	}
	var groups []group
	for _, s := range p.scenarios {
		g, err := p.rows(ctx, s, list)
		if err != nil {
			return err
		}
		groups = append(groups, g)
		fmt.Printf("\n%s\n", markdown(p, []group{g}))
	}
	if len(groups) > 1 {
		fmt.Print(markdown(p, groups))
	}
	if p.out == "" {
		return nil
	}
	return os.WriteFile(p.out, []byte(markdown(p, groups)), 0o644)
}

// rows measures one scenario.
func (p plan) rows(ctx context.Context, s scenario, list []collector) (group, error) {
	g := group{scenario: s}
	for _, c := range list {
		if c.can(s) {
			g.rows = append(g.rows, row{collector: c})
		}
	}
	fmt.Println(s)
	for round := range p.rounds {
		for i := range g.rows {
			r := &g.rows[(i+round)%len(g.rows)]
			m, err := p.load(ctx, s, r.collector)
			if err != nil {
				return g, fmt.Errorf("measure %s in %s: %w", r.collector.name, s.name, err)
			}
			fmt.Printf("round %d %-10s %s\n", round+1, r.collector.name, m)
			r.loaded = append(r.loaded, m)
		}
	}
	return g, nil
}

// size returns the size of a file, or 0.
func size(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size()
}
