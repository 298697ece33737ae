package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// seeds returns how many histories of a law are played; SIM_N overrides it and
// SIM_SEED plays one.
func seeds(t *testing.T, n int) (from, to uint64) {
	t.Helper()
	if s, err := strconv.ParseUint(os.Getenv("SIM_SEED"), 10, 64); err == nil {
		return s, s + 1
	}
	if s, err := strconv.Atoi(os.Getenv("SIM_N")); err == nil {
		n = s
	}
	return 1, uint64(n) + 1
}

// calm is the weather in which planned changes lose nothing.
func calm(seed uint64) Config {
	return Config{
		Seed: seed, Delay: 200 * time.Millisecond, Loss: 0.01, Skew: 50 * time.Millisecond,
		Keys: 60, Interval: 5 * time.Second,
	}
}

func (w *World) begin(n int) {
	for i := range n {
		w.Start(fmt.Sprintf("node-%d", i))
		w.Run(8 * time.Second)
	}
	w.Run(20 * time.Second)
}

func TestPlannedChangesMissAndDoubleNothing(t *testing.T) {
	from, to := seeds(t, 200)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		w.Start("node-3")
		w.Run(20 * time.Second)
		w.Node("node-1").Leave()
		w.Run(20 * time.Second)
		w.Start("node-1")
		w.Run(30 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Missed > 0 || got.Doubled > 0 {
			t.Errorf("seed %d: %s", seed, got)
		}
		if !w.Agreed() {
			t.Errorf("seed %d: no agreement", seed)
		}
	}
}

func TestACrashLeavesAHoleOfIntervalAndFiveSeconds(t *testing.T) {
	from, to := seeds(t, 200)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3 + int(seed%8))
		settled := w.Now()
		w.Node("node-1").Kill()
		w.Run(30 * time.Second)
		got := w.Tally(settled-5*time.Second, w.Now()-5*time.Second)
		if got.Hole > 10*time.Second || got.Missed > w.cfg.Keys/10 {
			t.Errorf("seed %d: %s", seed, got)
		}
	}
}

func TestPartsOfAPartitionFindOneViewAgain(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(5)
		left := func(s string) bool { return s == "node-0" || s == "node-1" }
		w.Cut(func(a, b string) bool { return left(a) != left(b) })
		w.Run(90 * time.Second)
		cut := w.Now()
		if got := w.Tally(cut-30*time.Second, cut-5*time.Second); got.Missed > 0 {
			t.Errorf("seed %d: during the partition: %s", seed, got)
		}
		w.Cut(nil)
		w.Run(30 * time.Second)
		healed := w.Now()
		if !w.Agreed() {
			t.Errorf("seed %d: no agreement 30 s after healing", seed)
		}
		w.Run(30 * time.Second)
		if got := w.Tally(healed, w.Now()-5*time.Second); got.Missed > 0 || got.Doubled > 0 {
			t.Errorf("seed %d: after healing: %s", seed, got)
		}
	}
}

func TestAPausedNodeServesNothingStale(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		w.Node("node-1").Pause(10*time.Second + time.Duration(seed%7)*10*time.Second)
		w.Run(100 * time.Second)
		got := w.Tally(settled-5*time.Second, w.Now()-5*time.Second)
		if got.Hole > 12*time.Second || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
	}
}
