package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// bed is where the testbed listens.
const bed = "127.0.0.1:12398"

// A measurement is what one run of one collector cost.
type measurement struct {
	samples   float64 // that arrived while measured
	share     float64 // of the samples that were due
	cpu       float64 // s per million samples
	meanRSS   float64 // MiB
	maxRSS    float64 // MiB
	anonymous float64 // MiB, mean: the part that is not a file's
	wire      float64 // bytes of remote write body per sample
	lost      int     // scrapes that the targets answered and that did not arrive
	lagP99    time.Duration
	bedLoad   float64 // share of its core that the testbed took
}

// String returns the measurement as a line of the log.
func (m measurement) String() string {
	return fmt.Sprintf("%.2f CPU s/M, RSS %.0f MiB (max %.0f, anonymous %.0f), %.1f B/sample, %.1f %% arrived, %d lost, lag p99 %s, testbed at %.0f %%",
		m.cpu, m.meanRSS, m.maxRSS, m.anonymous, m.wire, 100*m.share, m.lost, m.lagP99, 100*m.bedLoad)
}

// load runs c on the fleet and measures it.
func (p plan) load(ctx context.Context, c collector) (m measurement, err error) {
	world, err := p.startBed()
	if err != nil {
		return m, err
	}
	defer stop(world)
	agent, err := p.start(c, c.config)
	if err != nil {
		return m, err
	}
	defer stop(agent)
	if err := sleep(ctx, p.warmup); err != nil {
		return m, err
	}
	before, err := p.read(agent, world)
	if err != nil {
		return m, err
	}
	memory, err := p.watch(ctx, agent, p.measure)
	if err != nil {
		return m, err
	}
	after, err := p.read(agent, world)
	if err != nil {
		return m, err
	}
	m = between(before, after)
	m.share = m.samples / (float64(p.targets*p.series) / 5 * after.at.Sub(before.at).Seconds())
	m.meanRSS, m.maxRSS, m.anonymous = memory.mean("VmRSS"), memory.max("VmRSS"), memory.mean("RssAnon")
	return m, nil
}

// quickstart runs c with nothing to scrape but itself.
func (p plan) quickstart(ctx context.Context, c collector) (memory, error) {
	world, err := p.startBed()
	if err != nil {
		return nil, err
	}
	defer stop(world)
	agent, err := p.start(c, c.quick)
	if err != nil {
		return nil, err
	}
	defer stop(agent)
	if err := sleep(ctx, p.idle); err != nil {
		return nil, err
	}
	return p.watch(ctx, agent, 3*time.Second)
}

// startBed starts the testbed on the second core and waits until it answers.
func (p plan) startBed() (*exec.Cmd, error) {
	cmd := pinned(1, p.cache+"/testbed", "-addr", bed,
		"-targets", strconv.Itoa(p.targets), "-series", strconv.Itoa(p.series-1),
		"-hosts", strconv.Itoa(min(p.targets, 200)), fmt.Sprintf("-gzip=%t", p.gzip))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if resp, err := http.Post(fmt.Sprintf("http://%s/mode?kind=ok&delay=%s", bed, p.delay), "", nil); err == nil {
			resp.Body.Close()
			return cmd, nil
		}
		sleep(context.Background(), 100*time.Millisecond)
	}
	stop(cmd)
	return nil, fmt.Errorf("start the testbed: %s does not answer", bed)
}

// start runs c on the first core with config, on empty storage.
func (p plan) start(c collector, config string) (*exec.Cmd, error) {
	dir := filepath.Join(p.cache, "run", c.name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("WRITE", "http://"+bed+"/api/v1/write", "SD", "http://"+bed+"/sd", "GZIP", strconv.FormatBool(p.gzip))
	file := filepath.Join(dir, "config.alloy")
	if err := os.WriteFile(file, []byte(fill.Replace(config)), 0o644); err != nil {
		return nil, err
	}
	args := c.args(file, filepath.Join(dir, "storage"), p.gzip)
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := pinned(0, c.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, cmd.Start()
}

// pinned returns a command that runs on one core only. taskset becomes the
// program, so that its process is the program's.
func pinned(core int, binary string, args ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(core), binary}, args...)...)
}

// stop ends a program and waits for it.
func stop(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		<-done
	}
}

// sleep waits for d, or returns why it was interrupted.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
	resp, err := http.Get("http://" + bed + "/report?settle=10s")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r.status); err != nil {
		return r, fmt.Errorf("read the report: %w", err)
	}
	r.at = time.Now()
	if r.agentCPU, err = cpu(agent.Process.Pid); err != nil {
		return r, err
	}
	r.bedCPU, err = cpu(world.Process.Pid)
	return r, err
}

// between returns what the counters say of the time between two readings.
func between(a, b reading) measurement {
	samples := float64(b.status.Receiver.Samples - a.status.Receiver.Samples)
	return measurement{
		samples: samples,
		cpu:     (b.agentCPU - a.agentCPU) / samples * 1e6,
		wire:    float64(b.status.Receiver.WireBytes-a.status.Receiver.WireBytes) / samples,
		lost:    len(b.status.Verdict.Lost),
		lagP99:  b.status.Receiver.LagP99,
		bedLoad: (b.bedCPU - a.bedCPU) / b.at.Sub(a.at).Seconds(),
	}
}

// cpu returns the user and system time of a process in seconds, from fields 14
// and 15 of its stat file, which come in hundredths.
func cpu(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, nil
}

// memory is a series of readings of a process's memory: MiB by the names of
// /proc/PID/status.
type memory []map[string]float64

// watch reads the memory of cmd every second for d.
func (p plan) watch(ctx context.Context, cmd *exec.Cmd, d time.Duration) (memory, error) {
	var list memory
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := sleep(ctx, min(time.Second, time.Until(end))); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			return nil, fmt.Errorf("read memory: %w", err)
		}
		at := map[string]float64{}
		for line := range strings.Lines(string(text)) {
			name, kilobytes, _ := strings.Cut(line, ":")
			if n, ok := strings.CutSuffix(strings.TrimSpace(kilobytes), " kB"); ok {
				v, _ := strconv.ParseFloat(n, 64)
				at[name] = v / 1024
			}
		}
		if at["VmRSS"] == 0 {
			return nil, fmt.Errorf("the collector ended: see the log in %s", filepath.Join(p.cache, "run"))
		}
		list = append(list, at)
	}
	return list, nil
}

func (m memory) mean(name string) float64 {
	sum := 0.0
	for _, at := range m {
		sum += at[name]
	}
	return sum / float64(max(len(m), 1))
}

func (m memory) max(name string) float64 {
	most := 0.0
	for _, at := range m {
		most = max(most, at[name])
	}
	return most
}
