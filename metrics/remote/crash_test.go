package remote

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// A cut lets a disk take some number of changes, part of one more, and then
// nothing.
type cut struct {
	left atomic.Int64
	torn int // bytes of the last write that are still written
}

func (c *cut) see(op vfs.Op) error {
	if !op.Changes() {
		return nil
	}
	switch left := c.left.Add(-1); {
	case left > 0:
		return nil
	case left == 0 && op.Kind == vfs.Write:
		return vfs.Short{N: min(c.torn, op.Len), Err: errDead}
	}
	return errDead
}

func (c *cut) done() bool { return c.left.Load() <= 0 }

var errDead = errors.New("the process is dead")

// A process that dies at any write, or in the middle of one, loses nothing
// that it had committed, and after the next start everything arrives in order.
func TestCrashLosesNothingCommitted(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	told := 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			if crashOnce(t, rand.New(rand.NewPCG(seed, 0))) > 0 {
				told++
			}
		})
	}
	if told < int(seeds)/2 {
		t.Errorf("only %d of %d crashes came after something was committed", told, seeds)
	}
}

// crashOnce lets a process die at a random write and starts the next one on
// what it left. It returns how many samples of each series were committed.
func crashOnce(t *testing.T, r *rand.Rand) (committed int) {
	g := newRig(t, func(c *Config) {
		c.Drain = 0
		c.Endpoints[0].Queue.MinLanes = 1 + r.IntN(3)
		c.Endpoints[0].Queue.MaxSamples = 10
	})
	synctest.Wait() // the log is open
	end := &cut{torn: r.IntN(400)}
	end.left.Store(1 + r.Int64N(60))
	g.disk.Intercept(end.see)
	if r.IntN(3) == 0 {
		g.rcv.answers(answering(500))
	}
	for n := 0; !end.done() && n < 1000; n++ {
		for key := range 3 {
			g.tick(uint64(key), n, 3*key, 3*key+1, 3*key+2)
		}
		if r.IntN(3) == 0 {
			if err := g.Flush(t.Context()); err == nil && !end.done() {
				committed = n + 1
			}
		}
		time.Sleep(time.Duration(r.IntN(600)) * time.Millisecond)
	}
	// What the first process would send from now on never was: it is dead.
	after := g.disk.Crash()
	before := g.rcv.points()
	g.end()

	next := newRig(t, func(c *Config) {
		c.FS = after
		c.Endpoints[0].Queue.MinLanes = 1 + r.IntN(3)
	})
	time.Sleep(10 * time.Second)
	next.end()
	points := append(before, next.rcv.points()...)
	for name, times := range perSeries(points) {
		expect := int64(0)
		for _, at := range times {
			if at > expect {
				t.Fatalf("%s: %d came before %d", name, at, expect)
			}
			expect = max(expect, at+1)
		}
	}
	if committed == 0 {
		return 0
	}
	by := perSeries(points)
	for i := range 9 {
		times := by[numbered(i).String()]
		if len(times) == 0 || times[len(times)-1] < int64(committed)-1 {
			t.Fatalf("series %d ends with %v; %d samples were committed", i, times, committed)
		}
	}
	return committed
}

// A disk that refuses for a while costs nothing: samples go on through memory,
// and the component says what is wrong.
func TestDiskThatRefusesIsSaidAndSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		synctest.Wait()
		n := 0
		steps := func(k int) {
			for range k {
				g.tick(1, n, 1, 2)
				n++
				time.Sleep(time.Second)
			}
		}
		steps(5)
		dead := &cut{}
		g.disk.Intercept(dead.see)
		steps(30)
		if _, err := g.Health(); err == nil {
			t.Error("healthy on a disk that refuses")
		}
		g.disk.Intercept(nil)
		steps(30)
		g.end()
		inOrder(t, g.rcv.points(), 2, n)
	})
}
