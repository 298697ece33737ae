package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
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
	a.machine, b.machine = machine{busy: 100, stolen: 7}, machine{busy: 109, stolen: 7.5}
	a.ownCPU, b.ownCPU = 1, 2
	m := between(a, b, 1000)
	want := measurement{Samples: 2e6, Share: 1, CPU: 1.5, Core: 0.3, Wire: 20, Again: 1, Bed: 0.2, Others: 0.3, Stolen: 0.05}
	if m != want {
		t.Errorf("%+v\nwant %+v", m, want)
	}
}

// Rounding may leave less than nothing for the others.
func TestOthersTakeNoLessThanNothing(t *testing.T) {
	a := reading{at: time.Unix(1000, 0)}
	b := reading{at: time.Unix(1010, 0), agentCPU: 3, bedCPU: 1, machine: machine{busy: 3.99}}
	if m := between(a, b, 1); m.Others != 0 {
		t.Errorf("%g; want 0", m.Others)
	}
}

func TestMachineIsReadFromItsFirstLine(t *testing.T) {
	f := func(text string, want machine, fails bool) {
		t.Helper()
		got, err := parseMachine(text)
		if got != want || (err != nil) != fails {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	f("cpu  200 100 300 9999 500 10 40 70 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n", machine{busy: 6.5, stolen: 0.7}, false)
	f("cpu0 1 2 3 4 5 6 7 8 0 0\n", machine{}, true)
	f("cpu 1 2 3\n", machine{}, true)
	f("cpu 1 2 x 4 5 6 7 8 0 0\n", machine{}, true)
	f("", machine{}, true)
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
	f := func(before int, want float64, cpu ...float64) {
		t.Helper()
		u := usage{}
		for _, c := range cpu {
			u = append(u, map[string]float64{"CPU": c})
		}
		if got := u.peak(2, before); got != want {
			t.Errorf("%v: %g; want %g", cpu, got, want)
		}
	}
	f(9, 0)
	f(9, 0, 1, 2)
	f(9, 1, 1, 2, 3, 4)
	f(9, 1, 0, 2, 2, 4, 4) // busy every other second: steady
	f(9, 3, 0, 1, 2, 3, 8, 9, 10, 11, 12)
	f(4, 3, 0, 1, 2, 3, 6, 9, 12, 15) // what is usual is what was before second 4
	f(2, 0, 0, 1, 2, 3, 6, 9)
}

func TestMeasuredTimeIsWholeIntervals(t *testing.T) {
	f := func(measure, interval time.Duration, want int) {
		t.Helper()
		s := scenario{interval: interval, measure: 40 * time.Second}
		if got := (plan{measure: measure}).seconds(s); got != want {
			t.Errorf("%s in intervals of %s: %d s; want %d", measure, interval, got, want)
		}
	}
	f(30*time.Second, 5*time.Second, 30)
	f(32*time.Second, 5*time.Second, 35)
	f(30*time.Second, time.Minute, 60)
	f(0, 15*time.Second, 45)
}

// Whatever is measured, every target has been scraped before.
func TestWarmUpIsAnInterval(t *testing.T) {
	for _, s := range scenarios() {
		if p := (plan{}); p.warm(s, collector{}) < s.interval || p.seconds(s) < int(s.interval.Seconds()) {
			t.Errorf("%s: %s of warm-up and %d s for intervals of %s", s.name, p.warm(s, collector{}), p.seconds(s), s.interval)
		}
	}
	if warm := (plan{warmup: time.Second}).warm(scenarios()[0], collector{late: time.Minute}); warm != time.Second+time.Minute {
		t.Errorf("warm-up of %s; want what was asked for", warm)
	}
}

// Five rounds of two collectors can be waited for.
func TestFiveRoundsAreAffordable(t *testing.T) {
	f := func(names string, most time.Duration) {
		t.Helper()
		list, err := choose(names)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			var takes time.Duration
			for _, c := range collectors(plan{}) {
				if (plan{}).wants(s, c) {
					takes += 5 * (plan{}).estimate(s, c)
				}
			}
			if takes > most {
				t.Errorf("%s takes %s; want at most %s", s.name, takes, most)
			}
		}
	}
	f("rw2", 6*time.Minute)
	f("rw1,gzip,rules,shuffled,reload,delay", 5*time.Minute)
	f("ksm,million", 12*time.Minute)
	f("tiny,idle", 22*time.Minute)
}

func TestDivvyAndThePeerAreMeasuredUnlessSaidOtherwise(t *testing.T) {
	f := func(only, name, want string) {
		t.Helper()
		list, err := choose(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range collectors(plan{}) {
			if (plan{only: only}).wants(list[0], c) {
				got = append(got, c.name)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%q in %s: %s; want %s", only, name, text, want)
		}
	}
	f("", "rw1", "divvy vmagent")
	f("", "rw2", "divvy prometheus")
	f("all", "rw1", "divvy vmagent vmagent-tuned prometheus alloy")
	f("all", "rw2", "divvy prometheus alloy")
	f("alloy,divvy", "rules", "divvy alloy")
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

// Alloy's configuration is divvy's, byte for byte.
func TestAlloyReadsWhatDivvyReads(t *testing.T) {
	texts := map[string]string{}
	for _, c := range collectors(plan{}) {
		for _, s := range scenarios() {
			text, err := c.configure(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			texts[c.name+" "+s.name] = text
		}
	}
	for _, s := range scenarios() {
		if diff := cmp.Diff(texts["divvy "+s.name], texts["alloy "+s.name]); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
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

// someRuns returns two rounds of every collector in every scenario that it can
// do. Divvy takes what the others take.
func someRuns() (runs []run) {
	at := time.Date(2026, 11, 22, 23, 5, 0, 0, time.UTC)
	for _, s := range scenarios() {
		for _, c := range collectors(plan{}) {
			if !c.can(s) {
				continue
			}
			r := run{Scenario: s.name, Collector: c.name, Build: "3f2a", Size: 75e6, At: at, Seconds: 15, Series: 200_000}
			r.measurement = measurement{CPU: 2, MeanRSS: 10, Wire: 15, Others: 0.02, Lost: 1}
			runs = append(runs, r)
			r.CPU, r.MeanRSS, r.Stolen = 1, 20, 0.02
			runs = append(runs, r)
		}
	}
	return runs
}

func TestTableHasAsManyCellsAsHeads(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(markdown(someRuns())), "\n")[2:]
	for _, line := range lines {
		if n := strings.Count(line, "|"); n != len(columns())+1 {
			t.Errorf("%d cells in %s", n-1, line)
		}
	}
	if want := 2 + 11*5 - 2; len(lines) != want { // vmagent cannot do rw2
		t.Errorf("%d lines; want %d", len(lines), want)
	}
	f := func(line int, want string) {
		t.Helper()
		if !strings.Contains(lines[line], want) {
			t.Errorf("%s\nwant %s", lines[line], want)
		}
	}
	f(2, "| rw1 | divvy | 1.50 (1.00 to 2.00) |  |")
	f(2, "| 2 / 0 | 0 % | 3 % (2 % to 4 %) | 2 × 15 s | 11-22 23:05 |")
	f(3, "| rw1 | vmagent | 1.50 (1.00 to 2.00) | **1.00** (≤ 0.25) |")
	f(4, "| rw1 | vmagent-tuned | 1.50 (1.00 to 2.00) | 1.00 |")
	f(6, "| rw1 | alloy | 1.50 (1.00 to 2.00) | 1.00 |")
	f(6, "15 (10 to 20) | **1.00** (≤ 0.1) |")
}

func TestRunsAreReadAsTheyWereWritten(t *testing.T) {
	want := someRuns()
	got, err := decodeRuns(bytes.NewReader(encodeRuns(want)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(run{})); diff != "" {
		t.Error(diff)
	}
	if _, err := decodeRuns(strings.NewReader("{\"Scenario\":\"rw1\"}\n{\"Scen")); err == nil {
		t.Error("half a line is a run")
	}
}

// Rounds of another build do not stand beside those of this one.
func TestEarlierRunsStayUnlessTheyAreReplaced(t *testing.T) {
	p := plan{out: filepath.Join(t.TempDir(), "table.md"), keep: true}
	runs := []run{
		{Scenario: "rw1", Collector: "divvy", Build: "old"},
		{Scenario: "rw1", Collector: "divvy", Build: "new"},
		{Scenario: "rw1", Collector: "vmagent", Build: "old"},
		{Scenario: "gzip", Collector: "divvy", Build: "old"},
	}
	f := func(names string, want ...run) {
		t.Helper()
		p.scenarios, _ = choose(names)
		got, err := p.earlier([]collector{{name: "divvy", build: "new"}})
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(run{})); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", names, err, diff)
		}
	}
	f("rw1") // nothing yet
	if err := p.save(runs); err != nil {
		t.Fatal(err)
	}
	f("rw1", runs[1:]...)
	f("gzip", runs[:3]...)
	f("tiny", runs...)
	p.keep = false
	f("tiny")
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
