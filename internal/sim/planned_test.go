package sim

import (
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

func TestPlannedChangesMissAndDoubleNothing(t *testing.T) {
	each(t, 200, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		w.Start("node-3")
		w.Run(20 * time.Second)
		w.Node("node-1").Leave()
		w.Run(20 * time.Second)
		w.Start("node-1")
		w.Run(30 * time.Second)
		return w.flawless(settled)
	})
}

// rollingRestart restarts n nodes one after the other; each is gone for ten
// seconds.
func (w *World) rollingRestart(n int) {
	for i := range n {
		w.Node(name(i)).Leave()
		w.Run(15 * time.Second)
		w.Start(name(i))
		w.Run(15 * time.Second)
	}
	w.Run(20 * time.Second)
}

func TestARollingRestartMissesAndDoublesNothing(t *testing.T) {
	each(t, 60, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(5)
		w.rollingRestart(5)
		return w.flawless(settled)
	})
}

// Scaling from three nodes to ten and back.
func TestScalingUpAndDownMissesAndDoublesNothing(t *testing.T) {
	each(t, 20, func(seed uint64) string {
		w := New(calm(seed))
		settled := w.begin(3)
		for i := 3; i < 10; i++ {
			w.Start(name(i))
			w.Run(time.Second)
		}
		w.Run(30 * time.Second)
		for i := 3; i < 10; i++ {
			w.Node(name(i)).Leave()
			w.Run(time.Second)
		}
		w.Run(30 * time.Second)
		return w.flawless(settled)
	})
}

// A quorum of all nodes but one costs nothing while they are restarted one by
// one.
func TestPlannedChangesWithAQuorumOfAllButOneMissAndDoubleNothing(t *testing.T) {
	each(t, 60, func(seed uint64) string {
		c := calm(seed)
		nodes := 3 + int(seed%3)
		c.Quorum = owner.Quorum{Size: 1 + int(seed)%(nodes-1)}
		if seed%2 == 0 {
			c.Quorum.Size = nodes - 1
		}
		w := New(c)
		settled := w.begin(nodes)
		w.rollingRestart(nodes)
		return w.flawless(settled)
	})
}

// Below the quorum nobody serves before the deadline, on which all agree.
func TestNoSlotIsServedBelowTheQuorumBeforeTheDeadline(t *testing.T) {
	each(t, 60, func(seed uint64) string {
		c := calm(seed)
		size := 2 + int(seed%4)
		c.Quorum = owner.Quorum{Size: size, Patience: 60 * time.Second}
		w := New(c)
		for i := range size - 1 {
			w.Start(name(i))
			w.Run(8 * time.Second)
		}
		if got := w.Tally(0, w.Now()); got.Missed != got.Slots {
			return "served below the quorum: " + got.String()
		}
		last := w.Now()
		w.Start(name(size - 1))
		w.Run(30 * time.Second)
		if wrong := w.flawless(last + 15*time.Second); wrong != "" {
			return "with a quorum: " + wrong
		}
		gone := w.Now()
		w.Node(name(size - 1)).Leave()
		w.Run(100 * time.Second)
		if got := w.Tally(gone+6*time.Second, gone+60*time.Second); got.Missed != got.Slots {
			return "served before the deadline: " + got.String()
		}
		if wrong := w.flawless(gone + 70*time.Second); wrong != "" {
			return "after the deadline: " + wrong
		}
		return ""
	})
}
