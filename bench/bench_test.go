package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/http" // so that its configuration is known

	"github.com/divvy-collector/divvy/internal/testbed"
)

func TestMedianOfRounds(t *testing.T) {
	f := func(want float64, values ...float64) {
		t.Helper()
		if got := median(values); got != want {
			t.Errorf("%v: %g; want %g", values, got, want)
		}
	}
	f(0)
	f(1, 1)
	f(2, 3, 1)
	f(2, 9, 2, 1)
}

// What happened before the first reading does not count.
func TestMeasurementIsADifference(t *testing.T) {
	at := time.Unix(1000, 0)
	a := reading{at: at, agentCPU: 5, bedCPU: 1}
	a.status = testbed.Status{Answered: 1000, Receiver: testbed.Report{Samples: 1e6, WireBytes: 9e9}}
	b := reading{at: at.Add(10 * time.Second), agentCPU: 8, bedCPU: 3}
	b.status = testbed.Status{Answered: 3000, Receiver: testbed.Report{Samples: 3e6, WireBytes: 9e9 + 40e6, Duplicates: 1}}
	m := between(a, b, 1000)
	want := measurement{samples: 2e6, share: 1, cpu: 1.5, core: 0.3, wire: 20, again: 1, bedLoad: 0.2}
	if m != want {
		t.Errorf("%+v\nwant %+v", m, want)
	}
}

func TestOnlyWhatHadTimeToArriveIsLost(t *testing.T) {
	at := time.Unix(1000, 0)
	lost := []testbed.Scrape{{Time: at.Add(-2 * time.Second)}, {Time: at.Add(-time.Second)}, {Time: at}, {Time: at.Add(time.Second)}}
	if n := lostBefore(lost, at); n != 2 {
		t.Errorf("%d are lost; want 2", n)
	}
}

func TestSamplesAreCountedAgainstScrapes(t *testing.T) {
	f := func(r testbed.Report, want int64) {
		t.Helper()
		if got := missing(r, 100); got != want {
			t.Errorf("%+v: %d; want %d", r, got, want)
		}
	}
	f(testbed.Report{Scrapes: 3, Samples: 300}, 0)
	f(testbed.Report{Scrapes: 3, Samples: 299}, 1)
	f(testbed.Report{Scrapes: 3, Duplicates: 1, Samples: 400}, 0)
	f(testbed.Report{Scrapes: 3, Samples: 400}, -100)
}

func TestPeakIsOfWholeIntervals(t *testing.T) {
	f := func(want float64, cpu ...float64) {
		t.Helper()
		u := usage{}
		for _, c := range cpu {
			u = append(u, map[string]float64{"CPU": c})
		}
		if got := u.peak(2); got != want {
			t.Errorf("%v: %g; want %g", cpu, got, want)
		}
	}
	f(0)
	f(0, 1, 2)
	f(1, 1, 2, 3, 4)
	f(1, 0, 2, 2, 4, 4) // busy every other second: steady
	f(3, 0, 1, 2, 3, 8, 9, 10, 11, 12)
}

func TestMeasuredTimeIsWholeIntervals(t *testing.T) {
	f := func(measure, interval time.Duration, want int) {
		t.Helper()
		if got := (plan{measure: measure}).seconds(scenario{interval: interval}); got != want {
			t.Errorf("%s in intervals of %s: %d s; want %d", measure, interval, got, want)
		}
	}
	f(30*time.Second, 5*time.Second, 30)
	f(32*time.Second, 5*time.Second, 35)
	f(30*time.Second, time.Minute, 60)
}

func TestRulesDropThreeInTen(t *testing.T) {
	share := float64(kept(1000)) / 1000
	if share < 0.68 || share > 0.72 {
		t.Errorf("%g are kept", share)
	}
	if n := len(relabelRules(0)); n != 10 {
		t.Errorf("%d rules", n)
	}
}

// Every target of the fleet is alike to the rules: kept looks at one.
func TestRulesKeepAsManyOfEveryTarget(t *testing.T) {
	fleet := testbed.NewFleet(testbed.FleetConfig{Targets: 20, Series: 999})
	shape := func(n int) string {
		var b strings.Builder
		for line := range strings.Lines(string(fleet.Exposition(n, 1))) {
			name, _, _ := strings.Cut(line, "} ")
			name, _, _ = strings.Cut(name, `pod="`)
			b.WriteString(strings.ReplaceAll(name, "t000", "t00") + "\n")
		}
		return b.String()[:5000]
	}
	for n := range 20 {
		if diff := cmp.Diff(shape(0), shape(n)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Prometheus reads what is written for it and for vmagent, and finds the rules.
func TestPrometheusReadsItsConfiguration(t *testing.T) {
	for _, c := range collectors(plan{}) {
		if c.name != "prometheus" {
			continue
		}
		for _, s := range scenarios() {
			text, err := c.configure(s, 7)
			if err != nil {
				t.Fatal(err)
			}
			read, err := config.Load(text, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", s.name, err, text)
			}
			if rules := len(read.ScrapeConfigs[0].MetricRelabelConfigs); (rules == 10) != s.rules {
				t.Errorf("%s: %d rules", s.name, rules)
			}
			if v2 := strings.Contains(string(read.RemoteWriteConfigs[0].ProtobufMessage), "v2"); v2 != s.v2 {
				t.Errorf("%s: by remote write 2.0: %t", s.name, v2)
			}
		}
	}
}

func TestScenariosAreChosenByName(t *testing.T) {
	f := func(names, want string) {
		t.Helper()
		list, err := choose(names)
		var got []string
		for _, s := range list {
			got = append(got, s.name)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s; want %s", names, text, want)
		}
	}
	f("rw1", "rw1")
	f("tiny,gzip", "tiny gzip")
	f("all", "rw1 gzip rw2 rules ksm tiny shuffled million reload delay idle")
	f("rw3", `find scenario "rw3": use -list to see them`)
}

func TestRatioStandsBesideItsLimit(t *testing.T) {
	f := func(ratio, limit float64, want string) {
		t.Helper()
		if got := against(ratio, limit); got != want {
			t.Errorf("%g, %g: %s; want %s", ratio, limit, got, want)
		}
	}
	f(0, 1, "")
	f(0.5, 0, "0.50")
	f(0.24, 0.25, "0.24 (≤ 0.25)")
	f(0.26, 0.25, "**0.26** (≤ 0.25)")
}

func TestTableHasAsManyCellsAsHeads(t *testing.T) {
	var groups []group
	for _, s := range scenarios() {
		g := group{scenario: s}
		for _, c := range collectors(plan{}) {
			if c.can(s) {
				g.rows = append(g.rows, row{c, []measurement{{cpu: 2, meanRSS: 10, wire: 15}, {cpu: 1, meanRSS: 20, wire: 15}}})
			}
		}
		groups = append(groups, g)
	}
	lines := strings.Split(strings.TrimSpace(markdown(plan{rounds: 2}, groups)), "\n")[2:]
	for _, line := range lines {
		if n := strings.Count(line, "|"); n != len(columns())+1 {
			t.Errorf("%d cells in %s", n-1, line)
		}
	}
	if want := 2 + 11*3 - 1; len(lines) != want {
		t.Errorf("%d lines; want %d", len(lines), want)
	}
	if want := "1.50 (1.00 to 2.00) | **1.00** (≤ 0.25)"; !strings.Contains(lines[2], want) {
		t.Errorf("%s\nwant %s", lines[2], want)
	}
}

func TestStatusIsRead(t *testing.T) {
	got := parseStatus("Name:\tdivvy\nVmRSS:\t    2048 kB\nThreads:\t9\nRssAnon:\t     512 kB\n")
	if diff := cmp.Diff(map[string]float64{"VmRSS": 2, "RssAnon": 0.5}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOwnProcessIsRead(t *testing.T) {
	seconds, err := cpu(os.Getpid())
	if err != nil {
		t.Skip(err)
	}
	if math.IsNaN(seconds) || seconds < 0 || seconds > 1000 {
		t.Errorf("CPU time %g s", seconds)
	}
}
