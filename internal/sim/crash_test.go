package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

func TestACrashLeavesAHoleOfIntervalAndFiveSeconds(t *testing.T) {
	each(t, 200, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3+int(seed%8)) - 5*time.Second
		w.Run(time.Duration(seed%50) * 100 * time.Millisecond)
		if victim := w.Node("node-1"); seed%2 == 0 {
			victim.Kill()
		} else {
			victim.Vanish()
		}
		w.Run(30 * time.Second)
		return w.survived(settled, 5*time.Second)
	})
}

// A crash among a thousand nodes: only the dead node's keys move.
func TestACrashAmongAThousandLeavesAHoleOfIntervalAndTenSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	c := calm(1)
	c.Keys = 300
	w := New(c)
	w.Settled(1000)
	w.Run(6 * time.Second)
	before := w.Owners()
	killed, dead := w.Now(), w.Node("node-500")
	for i := range before {
		if before[i] == dead.Name {
			killed += time.Nanosecond // it has something to lose
		}
	}
	dead.Kill()
	w.Run(21 * time.Second)
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

// A node that starts again one second after kill -9 takes its own keys back by
// a dated join; nobody else's keys move.
func TestARestartInPlaceIsADeathAndAJoin(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		w.Node("node-1").Kill()
		w.Run(time.Second)
		w.Start("node-1")
		w.Run(40 * time.Second)
		if wrong := w.flawless(settled + 15*time.Second); wrong != "" {
			return "after the restart: " + wrong
		}
		return w.survived(settled-5*time.Second, 5*time.Second)
	})
}

// A joiner that dies before its From was never there.
func TestAJoinerThatDiesBeforeItsFromChangesNothing(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		joiner := w.Start("node-3")
		w.Run(3 * time.Second)
		joiner.Kill()
		w.Run(40 * time.Second)
		return w.flawless(settled)
	})
}

// A joiner that dies at any moment of its lead time, without a connection being
// reset, leaves at most the hole of a crash.
func TestAJoinerThatVanishesInItsLeadTimeIsACrash(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		joiner := w.Start("node-3")
		w.Run(time.Duration(seed%70) * 100 * time.Millisecond)
		joiner.Vanish()
		w.Run(40 * time.Second)
		return w.survived(settled-5*time.Second, 5*time.Second)
	})
}

// Whoever dies in the lead time of a leaving, be it the leaver: it is a crash.
func TestACrashDuringALeadTimeHasHeirs(t *testing.T) {
	each(t, 200, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(4)
		w.Node("node-1").Leave()
		w.Run(time.Duration(seed%60) * 100 * time.Millisecond)
		if victim := w.Node(name(1 + int(seed%2))); victim.alive {
			victim.Kill()
		}
		w.Run(40 * time.Second)
		return w.survived(settled-5*time.Second, 5*time.Second)
	})
}

// A second process with a node's name serves nothing, and changes nothing for
// the others, until the first one is gone.
func TestTheSecondOfTwoNodesWithOneNameServesNothing(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		second := w.StartAs("node-1", "elsewhere")
		w.Run(40 * time.Second)
		if s := second.roster.Stage(); s != roster.Displaced {
			return fmt.Sprintf("the second is %s", s)
		}
		if wrong := w.flawless(settled); wrong != "" {
			return wrong
		}
		settled = w.Now()
		w.Node("node-1").Leave()
		w.Run(40 * time.Second)
		if s := second.roster.Stage(); s != roster.Serving {
			return fmt.Sprintf("the second is %s after the first has gone", s)
		}
		return w.flawless(settled)
	})
}

// A node whose clock is 30 s off sees the cluster and serves nothing.
func TestANodeWithAWrongClockServesNothing(t *testing.T) {
	each(t, 60, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		skew := 30 * time.Second
		if seed%2 == 0 {
			skew = -skew
		}
		off := w.startWith("node-3", "node-3", skew)
		w.Run(60 * time.Second)
		if off.roster.Stage() == roster.Serving {
			return fmt.Sprintf("a node whose clock is %s off serves", off.skew)
		}
		return w.flawless(settled)
	})
}

// Nodes are stopped for any time at any moment: while they serve, join or
// leave, or while another one does; one of them, or two. What the woken ones
// had served before is not served again but by who could not know, what they
// had not served has heirs, and they serve nothing of before they woke.
func TestAPauseOfAnyLengthIsExcusedSlotBySlot(t *testing.T) {
	each(t, 1000, func(seed uint64) string {
		rnd := rand.New(rand.NewPCG(seed, 4))
		w := New(calm(seed))
		size := 3 + rnd.IntN(4)
		settled := w.begin(size)
		some := func(ms int) time.Duration { return time.Duration(rnd.IntN(ms)) * time.Millisecond }
		w.Run(some(12_000))
		switch rnd.IntN(4) { // what else is going on
		case 0:
			w.Start("joiner")
			w.Run(some(7000))
		case 1:
			w.Node("node-0").Leave()
			w.Run(some(6000))
			size--
		}
		longest, alive := time.Duration(0), w.Alive()
		for range 1 + rnd.IntN(2) {
			n := alive[rnd.IntN(len(alive))]
			if !n.running() || size < 3 {
				continue
			}
			d := pauseOf(rnd)
			n.Pause(d)
			longest = max(longest, d)
			w.Run(some(4000))
		}
		w.Run(longest + 40*time.Second)
		if wrong := w.Stale(0); wrong != "" {
			return wrong
		}
		if wrong := w.Blame(settled, w.Now()-5*time.Second); wrong != "" {
			return wrong
		}
		return w.disagreement()
	})
}

// One node is stopped: the hole is that of a crash.
func TestAPauseLeavesAHoleOfIntervalAndFiveSeconds(t *testing.T) {
	each(t, 200, func(seed uint64) string {
		rnd := rand.New(rand.NewPCG(seed, 5))
		w := New(calm(seed))
		settled := w.begin(3 + int(seed%3))
		w.Run(time.Duration(rnd.IntN(5000)) * time.Millisecond)
		d := pauseOf(rnd)
		w.Node("node-1").Pause(d)
		w.Run(d + 30*time.Second)
		return w.survived(settled-5*time.Second, 5*time.Second)
	})
}
