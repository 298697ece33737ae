// Command bench measures divvy, vmagent, the Prometheus agent and Grafana Alloy
// on the same targets and the same receiver, one after the other, and prints one
// table. Alloy is not built here, since that takes long: -alloy says where it is.
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
// most where there is more than one round, and what other programs took of the
// machine meanwhile.
//
// What the collectors promise differs: divvy's samples, the Prometheus agent's
// and Alloy's are on disk before they are sent, vmagent's are in memory.
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
	"strconv"
	"syscall"
	"time"
)

func main() {
	p := plan{rounds: fromEnv("BENCH_ROUNDS", 1), alloy: os.Getenv("BENCH_ALLOY")}
	seconds := fromEnv("BENCH_SECONDS", 0)
	names := flag.String("scenario", "rw1", "measure these `names`, comma-separated, or all")
	list := flag.Bool("list", false, "list the scenarios and measure nothing")
	targets := flag.Int("targets", 0, "`number` of targets; 0: as the scenario says")
	series := flag.Int("series", 0, "`number` of series of each target; 0: as the scenario says")
	flag.StringVar(&p.root, "root", ".", "`directory` of the module divvy")
	flag.StringVar(&p.only, "only", "", "measure these `collectors`, comma-separated, or all; without it divvy and the scenario's peer")
	flag.StringVar(&p.alloy, "alloy", p.alloy, "measure this `binary` as Grafana Alloy; the default is $BENCH_ALLOY")
	flag.StringVar(&p.out, "o", "", "write the table to `file` as well, after each scenario, and the runs to one beside it that ends in .jsonl")
	flag.BoolVar(&p.keep, "append", false, "keep the earlier runs of -o: those of other scenarios, and those of the same builds as further rounds")
	flag.IntVar(&p.rounds, "rounds", p.rounds, "`number` of rounds; the default is $BENCH_ROUNDS")
	flag.IntVar(&seconds, "seconds", seconds, "`time` to measure, rounded up to whole intervals; 0: as the scenario says; the default is $BENCH_SECONDS")
	flag.DurationVar(&p.warmup, "warmup", 0, "`time` before that; 0: as the scenario says")
	flag.Parse()
	if *list {
		for _, s := range scenarios() {
			fmt.Println(s)
		}
		return
	}

	p.measure = time.Duration(seconds) * time.Second
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if p.scenarios, err = choose(*names); err == nil {
		resize(p.scenarios, *targets, *series)
		err = p.run(ctx)
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
