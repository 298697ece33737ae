package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Nodes are stopped for any time at any moment: while they serve, join or
// leave, or while another one does; one of them, or two. What the woken ones
// had served before is not served again but by who could not know, what they
// had not served has heirs, and they serve nothing of before they woke.
func TestAPauseOfAnyLengthDoublesNothingAndLeavesAHoleOfFiveSeconds(t *testing.T) {
	from, to := seeds(t, 1500)
	for seed := from; seed < to; seed++ {
		if err := pauses(seed); err != "" {
			t.Errorf("seed %d: %s", seed, err)
		}
	}
}

func pauses(seed uint64) string {
	rnd := rand.New(rand.NewPCG(seed, 4))
	w := New(calm(seed))
	size := 3 + rnd.IntN(4)
	w.begin(size)
	settled := w.Now()
	some := func(ms int) time.Duration { return time.Duration(rnd.IntN(ms)) * time.Millisecond }
	w.Run(some(12_000))
	switch rnd.IntN(4) { // what else is going on
	case 0:
		w.Start("joiner")
		w.Run(some(7000))
		size++
	case 1:
		w.Node("node-0").Leave()
		w.Run(some(6000))
		size--
	}
	alive := w.Alive()
	longest := time.Duration(0)
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
	switch {
	case !w.Agreed():
		return fmt.Sprint("not agreed: ", w.stages())
	case w.Stale() != "":
		return w.Stale()
	}
	return w.Blame(settled, w.Now()-5*time.Second)
}
