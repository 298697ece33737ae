// Command bench measures divvy, vmagent and the Prometheus agent on the same
// targets and the same receiver, one after the other, and prints one table.
//
//	cpu 0: the collector under test
//	cpu 1: package testbed as a program: targets and receiver
//
// 200 targets show 1,000 series each, are scraped every 5 s without
// compression, and are written by remote write 1.0. About two in five values
// change with every scrape, and the targets' labels differ. Samples are counted
// where they arrive: only those of the targets, without up and its like. CPU is
// what the kernel booked for the collector's process, user and system, while it
// was measured; memory is read once a second. The warm-up is not measured. The
// order rotates from round to round; the table holds medians.
//
// What the collectors promise differs: divvy's samples and the Prometheus
// agent's are on disk before they are sent, vmagent's are in memory.
//
// Invariant: nothing is downloaded or built while a collector is measured.
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
	root    string // of divvy's module
	cache   string // for binaries and the collectors' storage
	only    string // names of collectors, comma-separated; empty: all
	out     string // file for the table as well; empty: none
	rounds  int
	warmup  time.Duration
	measure time.Duration
	idle    time.Duration // of running without targets, before memory is read
	targets int
	series  int
	delay   time.Duration // before a target answers
	gzip    bool
}

func main() {
	p := plan{rounds: fromEnv("BENCH_ROUNDS", 2), targets: 200, series: 1000}
	p.measure = time.Duration(fromEnv("BENCH_SECONDS", 60)) * time.Second
	flag.StringVar(&p.root, "root", ".", "`directory` of the module divvy")
	flag.StringVar(&p.only, "only", "", "measure only these `names`, comma-separated")
	flag.StringVar(&p.out, "o", "", "write the table to `file` as well")
	flag.IntVar(&p.rounds, "rounds", p.rounds, "`number` of rounds; the default is $BENCH_ROUNDS")
	flag.DurationVar(&p.measure, "measure", p.measure, "`time` to measure; the default is $BENCH_SECONDS")
	flag.DurationVar(&p.warmup, "warmup", 30*time.Second, "`time` before that")
	flag.DurationVar(&p.idle, "idle", 20*time.Second, "`time` to run without targets; 0: do not")
	flag.IntVar(&p.targets, "targets", p.targets, "`number` of targets")
	flag.IntVar(&p.series, "series", p.series, "`number` of series of each target")
	flag.DurationVar(&p.delay, "delay", 0, "`time` before a target answers")
	flag.BoolVar(&p.gzip, "gzip", false, "scrape with compression")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p); err != nil {
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

// run builds what is missing, measures round by round and prints the table.
func run(ctx context.Context, p plan) error {
	p.cache = filepath.Join(p.root, "bench", ".cache")
	list, err := build(ctx, p)
	if err != nil {
		return err
	}
	rows := make([]row, len(list))
	for round := range p.rounds {
		for i := range list {
			k := (i + round) % len(list)
			m, err := p.load(ctx, list[k])
			if err != nil {
				return fmt.Errorf("measure %s: %w", list[k].name, err)
			}
			fmt.Printf("round %d %-10s %s\n", round+1, list[k].name, m)
			rows[k].loaded = append(rows[k].loaded, m)
		}
	}
	for i, c := range list {
		rows[i].name, rows[i].binary = c.name, size(c.binary)
		if p.idle == 0 {
			continue
		}
		if rows[i].idle, err = p.quickstart(ctx, c); err != nil {
			return fmt.Errorf("measure %s without targets: %w", c.name, err)
		}
	}
	return report(p, rows)
}

// size returns the size of a file, or 0.
func size(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size()
}
