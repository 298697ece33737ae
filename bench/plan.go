package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A plan is what to measure, and for how long.
type plan struct {
	root      string // of divvy's module
	cache     string // for binaries and the collectors' storage
	alloy     string // Alloy's binary; empty: there is none
	only      string // names of collectors, comma-separated, or all; empty: divvy and the scenario's peer
	out       string // file for the table as well; empty: none
	keep      bool   // what out's runs were stays in the table
	scenarios []scenario
	rounds    int
	warmup    time.Duration // 0: as the scenario says
	measure   time.Duration // 0: as the scenario says
}

// run builds what is missing and measures scenario by scenario and round by
// round. The table is printed at the end, also when ctx is cancelled before that,
// and the part of each scenario when it is done. What fails does not keep the
// rest from being measured.
func (p plan) run(ctx context.Context) error {
	p.cache = filepath.Join(p.root, "bench", ".cache")
	list, err := build(ctx, p)
	if err != nil {
		return err
	}
	known, err := p.earlier(list)
	if err != nil {
		return err
	}
	fmt.Print(p.estimates(list))
	var failures []error
	for _, s := range p.scenarios {
		for round := range p.rounds {
			runs, err := p.round(ctx, s, round, list)
			known = append(known, runs...)
			if ctx.Err() != nil {
				failures = append(failures, errors.New("interrupted"))
				break
			}
			failures = append(failures, err)
		}
		failures = append(failures, p.save(known))
		if ctx.Err() != nil {
			break
		}
		if len(p.scenarios) == 1 {
			continue
		}
		fmt.Printf("\n%s\n", markdown(slices.DeleteFunc(slices.Clone(known), func(r run) bool { return r.Scenario != s.name })))
	}
	fmt.Printf("\n%s", markdown(known))
	return errors.Join(failures...)
}

// round measures every collector once in s. Another one begins each round.
func (p plan) round(ctx context.Context, s scenario, round int, list []collector) (runs []run, err error) {
	list = slices.DeleteFunc(slices.Clone(list), func(c collector) bool { return !p.wants(s, c) })
	var failures []error
	for i := range list {
		c := list[(i+round)%len(list)]
		at := time.Now()
		m, err := p.load(ctx, s, c)
		if ctx.Err() != nil {
			return runs, ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("measure %s in %s: %w", c.name, s.name, err)
			fmt.Println(err)
			failures = append(failures, err)
			continue
		}
		fmt.Printf("%s %s round %d %-13s %s\n", at.Format(time.TimeOnly), s.name, round+1, c.name, m)
		runs = append(runs, run{
			Scenario: s.name, Collector: c.name, Build: c.build, Size: size(c.binary),
			At: at, Seconds: p.seconds(s), Series: s.targets * s.kept(), measurement: m,
		})
	}
	return runs, errors.Join(failures...)
}

// warm returns how long c runs in s before it is measured.
func (p plan) warm(s scenario, c collector) time.Duration {
	if p.warmup > 0 {
		return p.warmup + c.late
	}
	return s.warmup + c.late
}

// seconds returns for how long s is measured: whole intervals.
func (p plan) seconds(s scenario) int {
	measure := s.measure
	if p.measure > 0 {
		measure = p.measure
	}
	return int((measure + s.interval - 1) / s.interval * s.interval / time.Second)
}

// Around warm-up and measurement a run starts and stops two programs, and the
// testbed renders its targets.
const (
	overhead  = time.Second
	perSeries = 4 * time.Microsecond
)

// estimate returns how long a run of c in s takes.
func (p plan) estimate(s scenario, c collector) time.Duration {
	return p.warm(s, c) + time.Duration(p.seconds(s))*time.Second + overhead + time.Duration(s.targets*s.series)*perSeries
}

// estimates says how long each scenario takes, and all of them.
func (p plan) estimates(list []collector) string {
	var text string
	var total time.Duration
	for _, s := range p.scenarios {
		var names []string
		var round time.Duration
		for _, c := range list {
			if p.wants(s, c) {
				names = append(names, c.name)
				round += p.estimate(s, c)
			}
		}
		takes := time.Duration(p.rounds) * round
		total += takes
		text += fmt.Sprintf("%s\n          %d × %s, %d s each: about %s\n",
			s, p.rounds, strings.Join(names, ", "), p.seconds(s), takes.Round(10*time.Second))
	}
	return fmt.Sprintf("%stogether about %s, until %s\n\n", text, total.Round(10*time.Second), time.Now().Add(total).Format(time.TimeOnly))
}

// size returns the size of a file, or 0.
func size(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size()
}
