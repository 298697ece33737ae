package sim

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// seeds returns how many histories of a law are played; SIM_N overrides it and
// SIM_SEED plays one.
func seeds(t *testing.T, n int) (from, to uint64) {
	t.Helper()
	if testing.Short() {
		n = (n + 39) / 40
	}
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

// A node that starts again one second after kill -9 takes its own keys back by
// a dated join; nobody else's keys move.
func TestARestartInPlaceIsADeathAndAJoin(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		w.Node("node-1").Kill()
		w.Run(time.Second)
		w.Start("node-1")
		w.Run(40 * time.Second)
		got := w.Tally(settled-5*time.Second, w.Now()-5*time.Second)
		if got.Hole > 10*time.Second || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
		if got := w.Tally(settled+15*time.Second, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 {
			t.Errorf("seed %d: after the restart: %s", seed, got)
		}
	}
}

// A joiner that dies before its From was never there.
func TestAJoinerThatDiesBeforeItsFromChangesNothing(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		joiner := w.Start("node-3")
		w.Run(3 * time.Second)
		joiner.Kill()
		w.Run(40 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
	}
}

// A node that dies in the lead time of its own leaving is a crash.
func TestALeaverThatDiesBeforeItsUntilHasHeirs(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		w.Node("node-1").Leave()
		w.Run(2 * time.Second)
		w.Node("node-1").Kill()
		w.Run(40 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Hole > 10*time.Second || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
	}
}

// A rolling restart of all nodes, each gone for ten seconds.
func TestARollingRestartMissesAndDoublesNothing(t *testing.T) {
	from, to := seeds(t, 60)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(5)
		settled := w.Now()
		for i := range 5 {
			name := fmt.Sprintf("node-%d", i)
			w.Node(name).Leave()
			w.Run(15 * time.Second)
			w.Start(name)
			w.Run(15 * time.Second)
		}
		w.Run(20 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
	}
}

// Scaling from three nodes to ten and back.
func TestScalingUpAndDownMissesAndDoublesNothing(t *testing.T) {
	from, to := seeds(t, 20)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		for i := 3; i < 10; i++ {
			w.Start(fmt.Sprintf("node-%d", i))
			w.Run(time.Second)
		}
		w.Run(30 * time.Second)
		for i := 3; i < 10; i++ {
			w.Node(fmt.Sprintf("node-%d", i)).Leave()
			w.Run(time.Second)
		}
		w.Run(30 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 || !w.Agreed() {
			t.Errorf("seed %d: %s, agreed %t", seed, got, w.Agreed())
		}
	}
}

// Below the quorum nobody serves, before the deadline that all agree on.
func TestNoSlotIsServedBelowTheQuorumBeforeTheDeadline(t *testing.T) {
	from, to := seeds(t, 60)
	for seed := from; seed < to; seed++ {
		c := calm(seed)
		c.Quorum = owner.Quorum{Size: 3, Patience: 60 * time.Second}
		w := New(c)
		w.Start("node-0")
		w.Run(10 * time.Second)
		w.Start("node-1")
		w.Run(20 * time.Second)
		if got := w.Tally(0, w.Now()); got.Missed != got.Slots {
			t.Errorf("seed %d: served below the quorum: %s", seed, got)
		}
		third := w.Now()
		w.Start("node-2")
		w.Run(30 * time.Second)
		if got := w.Tally(third+15*time.Second, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 {
			t.Errorf("seed %d: with a quorum: %s", seed, got)
		}
		gone := w.Now()
		w.Node("node-2").Leave()
		w.Run(100 * time.Second)
		if got := w.Tally(gone+6*time.Second, gone+60*time.Second); got.Missed != got.Slots {
			t.Errorf("seed %d: served before the deadline: %s", seed, got)
		}
		if got := w.Tally(gone+70*time.Second, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 || !w.Agreed() {
			t.Errorf("seed %d: after the deadline: %s", seed, got)
		}
	}
}

// A node whose clock is 30 s off sees the cluster and serves nothing.
func TestANodeWithAWrongClockServesNothing(t *testing.T) {
	from, to := seeds(t, 60)
	for seed := from; seed < to; seed++ {
		w := New(calm(seed))
		w.begin(3)
		settled := w.Now()
		skew := 30 * time.Second
		if seed%2 == 0 {
			skew = -skew
		}
		off := w.startWith("node-3", "node-3", skew)
		w.Run(60 * time.Second)
		if got := w.Tally(settled, w.Now()-5*time.Second); got.Missed+got.Doubled > 0 {
			t.Errorf("seed %d: %s", seed, got)
		}
		if off.roster.Stage() == roster.Serving {
			t.Errorf("seed %d: a node whose clock is %s off serves", seed, off.skew)
		}
	}
}

// play plays h. One that breaks a law is shrunk and printed.
func playOrShrink(t *testing.T, h History) {
	t.Helper()
	err := Play(h)
	if err == nil {
		return
	}
	least := Shrink(h, func(h History) bool { return Play(h) != nil })
	t.Errorf("seed %d: %s\n%s", h.Config.Seed, Play(least), least)
}

func TestLawsHoldInRandomHistories(t *testing.T) {
	from, to := seeds(t, 300)
	for seed := from; seed < to; seed++ {
		c := calm(seed)
		c.Keys = 40
		playOrShrink(t, RandomHistory(c, 3+int(seed%5), 12))
	}
}

// Beyond the weather in which nothing is lost, false deaths heal and dates are
// moved; two views do not last.
func TestStormsHeal(t *testing.T) {
	from, to := seeds(t, 100)
	for seed := from; seed < to; seed++ {
		c := calm(seed)
		c.Keys, c.Delay, c.Loss = 40, 2*time.Second, 0.05
		h := RandomHistory(c, 3+int(seed%5), 8)
		h.Steps = slices.DeleteFunc(h.Steps, func(s Step) bool { return s.Do == Cut || s.Do == Mute })
		playOrShrink(t, h)
	}
}

// A crash among a thousand nodes: they know it within seconds, and only the
// dead node's keys move.
func TestACrashAmongAThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	c := calm(1)
	c.Keys, c.Interval = 1000, 5*time.Second
	w := New(c)
	w.Settled(1000)
	w.Run(10 * time.Second)
	before := w.Owners()
	killed, dead := w.Now(), w.Node("node-500")
	dead.Kill()
	w.Run(20 * time.Second)
	after := w.Owners()
	if before == nil || after == nil {
		t.Fatalf("agreed before: %t, after: %t", before != nil, after != nil)
	}
	for i := range before {
		if before[i] != after[i] && before[i] != dead.Name {
			t.Errorf("key %d moved from %s to %s", i, before[i], after[i])
		}
	}
	if got := w.Tally(killed-c.Interval, w.Now()-c.Interval); got.Hole > c.Interval+10*time.Second {
		t.Errorf("%s", got)
	}
}
