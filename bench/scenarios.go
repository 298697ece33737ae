package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A scenario is a fleet and what is asked of the collectors with it. All do the
// same.
type scenario struct {
	name  string
	about string

	targets  int
	series   int // of each target
	interval time.Duration
	gzip     bool     // scrape with compression
	v2       bool     // remote write 2.0, by those who speak it
	rules    bool     // the ten of relabelRules between scrape and write
	reload   bool     // a rule changes every three intervals while measured
	idle     bool     // the quickstart's configuration instead of the fleet
	bed      []string // more flags of the testbed
	mode     string   // of the targets, as the testbed's /mode takes it

	warmup  time.Duration // before it is measured
	measure time.Duration // for how long it is measured
	peer    string        // whom divvy is compared with
	limits  limits
}

// limits is what divvy may at most take, as a share of what the peer takes, or
// of its own median for peak. 0: there is no limit.
type limits struct{ cpu, rss, wire, peak float64 }

// limitsBeside returns what divvy may take beside the named collector: the
// scenario's limits beside its peer, and a tenth of Alloy's memory.
func (s scenario) limitsBeside(collector string) limits {
	switch {
	case collector == s.peer:
		return s.limits
	case collector == "alloy" && !s.idle:
		return limits{rss: 0.1}
	default:
		return limits{}
	}
}

// scenarios lists what can be measured, in the order of the table. Before it is
// measured every target has been scraped, twice where the interval is short;
// measured are three intervals of 5 s, two of 15 s, one of a minute.
func scenarios() []scenario {
	app := scenario{
		targets: 200, series: 1000, interval: 5 * time.Second, peer: "vmagent",
		warmup: 12 * time.Second, measure: 15 * time.Second,
	}
	of := func(name, about string, change func(*scenario)) scenario {
		s := app
		s.name, s.about = name, about
		change(&s)
		return s
	}
	return []scenario{
		of("rw1", "remote write 1.0, no compression of scrapes", func(s *scenario) {
			s.limits = limits{cpu: 0.25, rss: 1}
		}),
		of("gzip", "the same, targets answer gzip", func(s *scenario) {
			s.gzip, s.limits = true, limits{cpu: 0.3}
		}),
		of("rw2", "the same by remote write 2.0, which vmagent does not speak", func(s *scenario) {
			s.v2, s.peer, s.limits = true, "prometheus", limits{cpu: 0.1, wire: 1}
		}),
		of("rules", "ten relabelling rules, which drop three series in ten", func(s *scenario) {
			s.rules, s.limits = true, limits{cpu: 0.15}
		}),
		of("ksm", "like kube-state-metrics: few large targets, 2 % of the pods replaced each minute", func(s *scenario) {
			s.targets, s.series, s.interval = 10, 100_000, 15*time.Second
			s.warmup, s.measure = 30*time.Second, 30*time.Second
			s.bed = []string{"-kube", "-renew=200"}
			s.limits = limits{cpu: 0.35, rss: 1}
		}),
		of("tiny", "many small targets, each at an address of its own", func(s *scenario) {
			s.targets, s.series, s.interval = 10_000, 50, time.Minute
			s.warmup, s.measure = 62*time.Second, time.Minute
			s.limits = limits{rss: 0.4}
		}),
		of("shuffled", "every scrape in another order, a tenth of the series new every three scrapes", func(s *scenario) {
			s.mode, s.limits = "kind=unsteady", limits{cpu: 0.4}
		}),
		of("million", "a million series", func(s *scenario) {
			s.targets, s.interval = 1000, 15*time.Second
			s.warmup, s.measure = 30*time.Second, 30*time.Second
		}),
		of("reload", "ten rules, of which one changes every three intervals", func(s *scenario) {
			s.rules, s.reload, s.limits = true, true, limits{peak: 2}
		}),
		of("delay", "targets answer after 5 to 500 ms", func(s *scenario) {
			s.mode, s.limits = "kind=ok&delay=5ms&until=500ms", limits{cpu: 0.25, rss: 1}
		}),
		of("idle", "the quickstart: nothing to scrape but oneself", func(s *scenario) {
			s.targets, s.series, s.interval, s.idle = 1, 1, 10*time.Second, true
			s.warmup, s.measure = 70*time.Second, 10*time.Second
		}),
	}
}

// choose returns the scenarios that the comma-separated names ask for; "all" is
// all of them.
func choose(names string) ([]scenario, error) {
	list := scenarios()
	if names == "all" {
		return list, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(list, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("find scenario %q: use -list to see them", name)
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

// kept returns how many samples of a scrape arrive: those that the rules leave.
func (s scenario) kept() int {
	if !s.rules {
		return s.series
	}
	return kept(s.series)
}

// String describes s in a line.
func (s scenario) String() string {
	return fmt.Sprintf("%-9s %6d × %6d series, %3.0f s: %s", s.name, s.targets, s.series, s.interval.Seconds(), s.about)
}
