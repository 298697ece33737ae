package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A measurement is what one run of one collector cost.
type measurement struct {
	Samples   float64 // that arrived while measured
	Share     float64 // of the samples that were due
	CPU       float64 // s per million samples
	Core      float64 // share of the core that the collector took
	Peak      float64 // CPU of the dearest interval by that of the median one; 0: not known
	MeanRSS   float64 // MiB
	MaxRSS    float64 // MiB
	Anonymous float64 // MiB, mean: the part that is not a file's
	Wire      float64 // bytes of remote write body per sample
	Lost      int     // scrapes that the targets answered and that never arrived
	Again     int64   // scrapes that arrived twice
	Off       int64   // samples that are missing from the scrapes that arrived, over the whole run
	LagP99    time.Duration
	Bed       float64 // share of its core that the testbed took
	Others    float64 // what other processes took meanwhile, as a share of one core
	Stolen    float64 // what the host of a virtual machine took, as a share of one core
}

// String returns the measurement as a line of the log.
func (m measurement) String() string {
	return fmt.Sprintf("%.2f CPU s/M, %.1f %% of a core (peak %.1f), RSS %.0f MiB (max %.0f, anonymous %.0f), %.1f B/sample, %.1f %% arrived, %d lost, %d twice, %d samples off, lag p99 %s, testbed at %.0f %%, others at %.0f %%, %.0f %% stolen",
		m.CPU, 100*m.Core, m.Peak, m.MeanRSS, m.MaxRSS, m.Anonymous, m.Wire, 100*m.Share, m.Lost, m.Again, m.Off, m.LagP99, 100*m.Bed, 100*m.Others, 100*m.Stolen)
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
	if err := sleep(ctx, p.warm(s, c)); err != nil {
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
	if m.Samples == 0 && !s.idle {
		return m, fmt.Errorf("no sample arrived: see the log in %s", p.dir(c))
	}
	m.Lost = lostBefore(end.Verdict.Lost, after.at.Add(-settle))
	m.Off = missing(end.Receiver, s.kept())
	if s.idle {
		m = measurement{Others: m.Others, Stolen: m.Stolen}
	}
	m.Peak = usage.peak(int(s.interval.Seconds()), s.firstEvent(p.seconds(s)))
	m.MeanRSS, m.MaxRSS, m.Anonymous = usage.mean("VmRSS"), usage.max("VmRSS"), usage.mean("RssAnon")
	return m, nil
}

// events returns what is done in a second of the measurement besides looking:
// c is told to reload where s asks for it, once in three intervals.
func (p plan) events(s scenario, c collector) func(second int) error {
	every := 3 * int(s.interval.Seconds())
	return func(second int) error {
		if !s.reload || second%every != s.firstEvent(0) {
			return nil
		}
		return p.reload(s, c, second)
	}
}

// firstEvent returns the second before which nothing is done to a collector
// but looking, or otherwise if nothing ever is.
func (s scenario) firstEvent(otherwise int) int {
	if !s.reload {
		return otherwise
	}
	return 3 * int(s.interval.Seconds()) / 2
}

// A reading is the state of the counters at one moment.
type reading struct {
	at       time.Time
	agentCPU float64 // s
	bedCPU   float64 // s
	ownCPU   float64 // s, of this process
	machine  machine
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
	if r.bedCPU, err = cpu(world.Process.Pid); err != nil {
		return r, err
	}
	if r.ownCPU, err = cpu(os.Getpid()); err != nil {
		return r, err
	}
	r.machine, err = readMachine()
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
	agent, bed, own := b.agentCPU-a.agentCPU, b.bedCPU-a.bedCPU, b.ownCPU-a.ownCPU
	return measurement{
		Samples: samples,
		Share:   samples / due,
		CPU:     agent / samples * 1e6,
		Core:    agent / elapsed,
		Wire:    float64(b.status.Receiver.WireBytes-a.status.Receiver.WireBytes) / samples,
		Again:   b.status.Receiver.Duplicates,
		LagP99:  b.status.Receiver.LagP99,
		Bed:     bed / elapsed,
		Others:  max(0, b.machine.busy-a.machine.busy-agent-bed-own) / elapsed,
		Stolen:  (b.machine.stolen - a.machine.stolen) / elapsed,
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
