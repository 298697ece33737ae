package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// Nodes that come, alone or together, cost nothing.
func TestJoiningCostsNoSlot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	c.start("a")
	from := time.Now()
	c.wait(slotEvery)
	c.start("a", "b", "c")
	c.wait(slotEvery)
	c.start("a", "b", "c", "d")
	c.wait(2 * slotEvery)
	c.flawless(from)
	owners := c.owners(time.Now())
	for _, name := range []string{"a", "b", "c", "d"} {
		if n := count(owners, name); n < clusterTargets/4/2 {
			t.Errorf("%s has %d targets of %d", name, n, clusterTargets)
		}
	}
}

// A node that is told to stop hands over, delivers what it has, and is gone
// within the time that supervisors allow.
func TestLeavingCostsNoSlot(t *testing.T) {
	c, from := started(t, "a", "b", "c")
	stopped := time.Now()
	c.node("b").stop()
	if took := time.Since(stopped); took > 15*time.Second {
		t.Errorf("leaving took %s", took)
	}
	c.until(lead, "the others see it gone", func() bool { return c.agree("a", "c") })
	c.wait(2 * slotEvery)
	c.flawless(from)
}

// All nodes are replaced one after the other.
func TestRollingRestartCostsNoSlot(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}[:*rolling]
	c, from := started(t, names...)
	for _, name := range names {
		c.node(name).stop()
		c.node(name).start()
	}
	c.until(lead, "all nodes take part", func() bool { return c.agree(names...) })
	c.wait(2 * slotEvery)
	c.flawless(from)
}

// A node that is killed has heirs, and comes back with what it had.
func TestKilledNodeHasHeirs(t *testing.T) {
	c, _ := started(t, "a", "b", "c")
	at := c.node("b").kill()
	c.wait(3 * slotEvery)
	c.survived("b", at)
	back := time.Now()
	c.node("b").start()
	c.wait(2 * slotEvery)
	c.none("doubled by coming back", c.tally(back, time.Now(), anybody).doubled)
	c.survived("b", at)
	c.unmarked()
	c.kept(at)
}

// A node that crashes and is started again at once is two nodes, one after the
// other.
func TestRestartInPlaceIsADeathAndAJoin(t *testing.T) {
	c, _ := started(t, "a", "b", "c")
	at := c.node("b").kill()
	c.wait(time.Second)
	c.node("b").start()
	c.until(lead, "all nodes take part", func() bool { return c.agree("a", "b", "c") })
	c.wait(2 * slotEvery)
	c.survived("b", at)
	c.unmarked()
	c.kept(at)
}

// A node that is stopped for a while has heirs, and serves nothing on waking
// before it has joined again. The short stops are those that it notices and that
// its peers need not: there its word alone says what it had served.
func TestPausedNodeServesNothingStale(t *testing.T) {
	t.Parallel()
	f := func(d time.Duration) {
		t.Run(d.String(), func(t *testing.T) {
			c, _ := started(t, "a", "b", "c")
			at := time.Now()
			c.node("b").signal(syscall.SIGSTOP)
			c.wait(d)
			woke := time.Now()
			c.node("b").signal(syscall.SIGCONT)
			c.until(healing, "all nodes take part", func() bool { return c.agree("a", "b", "c") })
			t.Logf("all nodes took part %s after waking", time.Since(woke))
			c.wait(2 * slotEvery)
			c.survived("b", at)
			for _, s := range c.servedBy("b", woke) {
				if s.Time.Sub(woke) < lead/2 {
					t.Errorf("the woken node scraped %s after %s", s.Target, s.Time.Sub(woke))
				}
			}
			if d <= maxSilence {
				c.none("doubled", c.tally(at.Add(-slotEvery), time.Now(), anybody).doubled)
			}
			c.unmarked()
			c.kept(at)
		})
	}
	f(1600 * time.Millisecond)
	f(2500 * time.Millisecond)
	f(*pause)
}

// A network that falls apart makes two clusters, each of which serves all that
// it reaches, and one again when it is mended. A node that nobody hears any
// more is such a part, though it hears everybody.
func TestSplitNetworkIsServedFromBothSides(t *testing.T) {
	t.Parallel()
	f := func(name string, cuts ...[2]int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClusterIn(t, newNetwork(t, 3), 3)
			before := c.settle("a", "b", "c")
			at, mended := c.split(cuts...)
			c.side("a and b", at, mended, func(s testbed.Scrape) bool { return s.By != "c" })
			c.side("c", at, mended, func(s testbed.Scrape) bool { return s.By == "c" })
			c.healed(before, mended)
		})
	}
	f("both ways", [2]int{0, 2}, [2]int{2, 0}, [2]int{1, 2}, [2]int{2, 1})
	f("one way", [2]int{2, 0}, [2]int{2, 1})
}

// What one node says does not reach another one, while a third node hears both:
// nobody is declared dead, and no slot is missed or doubled.
func TestThirdNodeVouches(t *testing.T) {
	t.Parallel()
	f := func(name string, cuts ...[2]int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClusterIn(t, newNetwork(t, 3), 3)
			before := c.settle("a", "b", "c")
			_, mended := c.split(cuts...)
			c.healed(before, mended)
			c.flawless(before)
		})
	}
	f("one way", [2]int{0, 2})
	f("both ways", [2]int{0, 2}, [2]int{2, 0})
}
