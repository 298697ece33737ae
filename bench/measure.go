package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A measurement is what one run of one collector cost.
type measurement struct {
	samples   float64 // that arrived while measured
	share     float64 // of the samples that were due
	cpu       float64 // s per million samples
	core      float64 // share of the core that the collector took
	peak      float64 // CPU of the dearest interval by that of the median one; 0: not known
	meanRSS   float64 // MiB
	maxRSS    float64 // MiB
	anonymous float64 // MiB, mean: the part that is not a file's
	wire      float64 // bytes of remote write body per sample
	lost      int     // scrapes that the targets answered and that never arrived
	again     int64   // scrapes that arrived twice
	off       int64   // samples that are missing from the scrapes that arrived, over the whole run
	lagP99    time.Duration
	bedLoad   float64 // share of its core that the testbed took
}

// String returns the measurement as a line of the log.
func (m measurement) String() string {
	return fmt.Sprintf("%.2f CPU s/M, %.1f %% of a core (peak %.1f), RSS %.0f MiB (max %.0f, anonymous %.0f), %.1f B/sample, %.1f %% arrived, %d lost, %d twice, %d samples off, lag p99 %s, testbed at %.0f %%",
		m.cpu, 100*m.core, m.peak, m.meanRSS, m.maxRSS, m.anonymous, m.wire, 100*m.share, m.lost, m.again, m.off, m.lagP99, 100*m.bedLoad)
}

// load runs c in s and measures it.
func (p plan) load(ctx context.Context, s scenario, c collector) (m measurement, err error) {
	world, err := p.startBed(s)
	if err != nil {
		return m, err
	}
	defer stop(world)
	agent, err := p.start(s, c)
	if err != nil {
		return m, err
	}
	defer stop(agent)
	if err := sleep(ctx, max(p.warmup, s.warmup)); err != nil {
		return m, err
	}
	before, err := p.read(agent, world)
	if err != nil {
		return m, err
	}
	usage, err := p.watch(ctx, agent, p.seconds(s), p.events(s, c))
	if err != nil {
		return m, err
	}
	after, err := p.read(agent, world)
	if err != nil {
		return m, err
	}
	stop(agent) // what it still has arrives
	end, err := report()
	if err != nil {
		return m, err
	}
	m = between(before, after, s.kept())
	m.lost = lostBefore(end.Verdict.Lost, after.at.Add(-settle))
	m.off = missing(end.Receiver, s.kept())
	if s.idle {
		m = measurement{}
	}
	m.peak = usage.peak(int(s.interval.Seconds()))
	m.meanRSS, m.maxRSS, m.anonymous = usage.mean("VmRSS"), usage.max("VmRSS"), usage.mean("RssAnon")
	return m, nil
}

// seconds returns for how long s is measured: whole intervals.
func (p plan) seconds(s scenario) int {
	return int((p.measure + s.interval - 1) / s.interval * s.interval / time.Second)
}

// events returns what is done in a second of the measurement besides looking:
// c is told to reload where s asks for it, once in three intervals.
func (p plan) events(s scenario, c collector) func(second int) error {
	every := 3 * int(s.interval.Seconds())
	return func(second int) error {
		if !s.reload || second%every != every/2 {
			return nil
		}
		return p.reload(s, c, second)
	}
}

// A reading is the state of the counters at one moment.
type reading struct {
	at       time.Time
	agentCPU float64 // s
	bedCPU   float64 // s
	status   testbed.Status
}

// read reads all counters.
func (p plan) read(agent, world *exec.Cmd) (r reading, err error) {
	if r.status, err = report(); err != nil {
		return r, err
	}
	r.at = time.Now()
	if r.agentCPU, err = cpu(agent.Process.Pid); err != nil {
		return r, err
	}
	r.bedCPU, err = cpu(world.Process.Pid)
	return r, err
}

// settle is how long a scrape may take to arrive before it counts as lost.
const settle = 10 * time.Second

// report returns what the testbed has counted.
func report() (s testbed.Status, err error) {
	resp, err := http.Get("http://" + bed + "/report?settle=" + settle.String())
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("read the report: %w", err)
	}
	return s, nil
}

// between returns what the counters say of the time between two readings, when
// a scrape has so many samples.
func between(a, b reading, perScrape int) measurement {
	samples := float64(b.status.Receiver.Samples - a.status.Receiver.Samples)
	due := float64(b.status.Answered-a.status.Answered) * float64(perScrape)
	elapsed := b.at.Sub(a.at).Seconds()
	return measurement{
		samples: samples,
		share:   samples / due,
		cpu:     (b.agentCPU - a.agentCPU) / samples * 1e6,
		core:    (b.agentCPU - a.agentCPU) / elapsed,
		wire:    float64(b.status.Receiver.WireBytes-a.status.Receiver.WireBytes) / samples,
		again:   b.status.Receiver.Duplicates,
		lagP99:  b.status.Receiver.LagP99,
		bedLoad: (b.bedCPU - a.bedCPU) / elapsed,
	}
}

// lostBefore returns how many of the scrapes that never arrived were before t:
// what a collector was about to send when it was stopped does not count.
func lostBefore(lost []testbed.Scrape, t time.Time) (n int) {
	for _, s := range lost {
		if s.Time.Before(t) {
			n++
		}
	}
	return n
}

// missing returns how many samples fewer arrived than the scrapes that arrived
// had. All that arrived is counted, from the start.
func missing(r testbed.Report, perScrape int) int64 {
	return (r.Scrapes+r.Duplicates)*int64(perScrape) - r.Samples
}
