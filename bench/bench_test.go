package main

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

func TestMedianOfRounds(t *testing.T) {
	f := func(want float64, cpus ...float64) {
		t.Helper()
		var r row
		for _, c := range cpus {
			r.loaded = append(r.loaded, measurement{cpu: c})
		}
		if got := r.median(func(m measurement) float64 { return m.cpu }); got != want {
			t.Errorf("%v: %g; want %g", cpus, got, want)
		}
	}
	f(1, 1)
	f(2, 3, 1)
	f(2, 9, 2, 1)
}

// What happened before the first reading does not count.
func TestMeasurementIsADifference(t *testing.T) {
	at := time.Unix(1000, 0)
	a := reading{at: at, agentCPU: 5, bedCPU: 1}
	a.status.Receiver = testbed.Report{Samples: 1e6, WireBytes: 9e9}
	b := reading{at: at.Add(10 * time.Second), agentCPU: 8, bedCPU: 3}
	b.status.Receiver = testbed.Report{Samples: 3e6, WireBytes: 9e9 + 40e6}
	b.status.Verdict.Lost = make([]testbed.Scrape, 2)
	m := between(a, b)
	if m.samples != 2e6 || m.cpu != 1.5 || m.wire != 20 || m.bedLoad != 0.2 || m.lost != 2 {
		t.Errorf("%+v", m)
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
