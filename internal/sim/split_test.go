package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A network that falls into two parts: each serves everything; mended, they see
// one cluster within 30 s.
func TestPartsOfAPartitionServeEverythingAndFindOneViewAgain(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		w := New(calm(seed))
		w.begin(5)
		left := func(s string) bool { return s == "node-0" || s == "node-1" }
		w.Cut(func(a, b string) bool { return left(a) != left(b) })
		w.Run(90 * time.Second)
		for _, side := range []bool{true, false} {
			got := w.TallyOf(w.Now()-80*time.Second, w.Now()-5*time.Second, func(n *Node) bool { return left(n.Host) == side })
			if got.Missed+got.Doubled > 0 {
				return "one side: " + got.String()
			}
		}
		return w.heals()
	})
}

// heals mends the network. It returns what is wrong unless all agree within
// 30 s, no slot is missed meanwhile, and all is well from then on.
func (w *World) heals() string {
	mended := w.Now()
	w.Cut(nil)
	w.Run(30 * time.Second)
	if wrong := w.disagreement(); wrong != "" {
		return "30 s after healing: " + wrong
	}
	healed := w.Now()
	w.Run(20 * time.Second)
	if got := w.Tally(mended, w.Now()-5*time.Second); got.Missed > 0 {
		return "while healing: " + got.String()
	}
	return w.flawless(healed)
}

// Any node may not hear any other, one way or both: every slot is served by
// somebody, from soon after the cut on, and mended, all is well again.
func TestAPartitionOfAnyShapeMissesNothingAndHeals(t *testing.T) {
	each(t, 200, func(seed uint64) string {
		rnd := rand.New(rand.NewPCG(seed, 6))
		w := New(calm(seed))
		w.begin(3 + rnd.IntN(4))
		for range 1 + rnd.IntN(3) { // one shape after another
			part := rnd.Float64()
			deaf := map[[2]string]bool{}
			for _, a := range w.Alive() {
				for _, b := range w.Alive() {
					deaf[[2]string{a.Host, b.Host}] = a != b && rnd.Float64() < part
				}
			}
			w.Cut(func(a, b string) bool { return deaf[[2]string{a, b}] })
			cut := w.Now()
			w.Run(time.Duration(20+rnd.IntN(70)) * time.Second)
			if got := w.Tally(cut+10*time.Second, w.Now()-5*time.Second); got.Missed > 0 {
				return "while cut: " + got.String()
			}
		}
		return w.heals()
	})
}
