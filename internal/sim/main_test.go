package sim

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // worlds are short-lived
	m.Run()
}

// each plays the histories of n seeds; play returns what is wrong, or "".
// SIM_N plays another number of them, and SIM_SEED one.
func each(t *testing.T, n int, play func(seed uint64) string) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		n = (n + 39) / 40
	}
	if s, err := strconv.Atoi(os.Getenv("SIM_N")); err == nil {
		n = s
	}
	from, to := uint64(1), uint64(n)+1
	if s, err := strconv.ParseUint(os.Getenv("SIM_SEED"), 10, 64); err == nil {
		from, to = s, s+1
	}
	for seed := from; seed < to; seed++ {
		if wrong := play(seed); wrong != "" {
			t.Errorf("seed %d: %s", seed, wrong)
		}
	}
}

// calm is the weather in which planned changes lose nothing.
func calm(seed uint64) Config {
	return Config{
		Seed: seed, Delay: 200 * time.Millisecond, Loss: 0.01, Skew: 50 * time.Millisecond,
		Keys: 60, Interval: 5 * time.Second,
	}
}

// begin starts n nodes and returns when they are settled.
func (w *World) begin(n int) (settled time.Duration) {
	for i := range n {
		w.Start(name(i))
		w.Run(time.Second)
	}
	w.Run(15 * time.Second)
	return w.Now()
}

func name(i int) string { return fmt.Sprintf("node-%d", i) }

// flawless returns what is wrong with the slots between a time and the last
// interval, each of which is to be served once, and with what nodes see.
func (w *World) flawless(from time.Duration) string {
	if got := w.Tally(from, w.Now()-w.cfg.Interval); got.Missed+got.Doubled > 0 || got.Slots == 0 {
		return got.String()
	}
	return w.disagreement()
}

func (w *World) disagreement() string {
	if w.Agreed() {
		return ""
	}
	return "no agreement: " + w.stages()
}

// survived returns what is wrong after ends without notice: slots without an
// excuse, and holes of more than the interval and what is allowed besides.
func (w *World) survived(from, hole time.Duration) string {
	end := w.Now() - w.cfg.Interval
	if wrong := w.Blame(from, end); wrong != "" {
		return wrong
	}
	if got := w.Tally(from, end); got.Hole > w.cfg.Interval+hole+2*w.cfg.Skew {
		return got.String()
	}
	return w.disagreement()
}
