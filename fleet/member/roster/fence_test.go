package roster

import (
	"fmt"
	"testing"
	"time"
)

func TestAFencedNodeWithdrawsAtOnceAndJoinsAnew(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.run(0.25, 6, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.did()
	r.Fence(at(60), at(7))
	r.want(t, "a -3600, me 5..7.001")
	if got := r.did(); got != "sync a, withdraw, announce, tell a" {
		t.Error(got)
	}
	r.Tick(at(60))
	r.want(t, "a -3600, me 5..7.001, me 65")
	r.run(60.25, 66, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.wantStage(t, Serving)
	if c := r.Counts(at(66)); c.Fenced != 5*time.Second {
		t.Errorf("%+v", c)
	}
}

func TestWhoIsFencedWhileLeavingHasLeft(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.run(0.25, 6, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.Leave(at(7))
	r.Fence(at(9), at(7.5))
	r.wantStage(t, Left)
	r.want(t, "a -3600, me 5..7.501")
}

// What a node says when it is fenced, others answer from; so does who hears it
// only with the next date.
func TestEverybodyKnowsWhatAFencedNodeServed(t *testing.T) {
	f := func(stage Stage, fence, served float64, want string) {
		t.Helper()
		r, other := me("a"), me("a")
		other.cfg.Name, other.self.Name = "other", "other"
		r.pulse(at(0), "a")
		r.Ready(at(0))
		each := func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") }
		r.run(0.25, 3, each)
		if stage == Serving {
			r.run(3.25, 6, each)
		}
		r.wantStage(t, stage)
		other.Learn(at(4), r.Self())
		r.Fence(at(fence), at(served))
		r.want(t, "a -3600, "+want)
		other.Learn(at(fence), r.Self())
		other.want(t, "a -3600, "+want)
		r.Tick(at(fence))
		other.Learn(at(fence), r.Self())
		again := fmt.Sprintf("a -3600, %s, me %g", want, fence+5)
		r.want(t, again)
		other.want(t, again)
	}
	f(Serving, 60, 6.5, "me 5..6.501")
	f(Serving, 7, 60, "me 5..7") // its clock went back
	f(Joining, 4, 3, "me 5..5")  // it had not begun
	f(Joining, 30, 3, "me 5..5")
}

func TestAnEntryKeepsItsLatestFormerWindows(t *testing.T) {
	var e Entry
	for i := range 5 {
		e.From = at(float64(10 * i))
		e.retire(at(float64(10*i + 3)))
	}
	for i, w := range e.Former {
		if begin := float64(40 - 10*i); !w.From.Equal(at(begin)) || !w.Until.Equal(at(begin+3)) {
			t.Errorf("window %d is %v", i, w)
		}
	}
	if !e.From.IsZero() || !e.Until.IsZero() {
		t.Errorf("%+v", e)
	}
}

// There is nobody who could have taken over.
func TestAloneANodeIsNotFenced(t *testing.T) {
	r := me()
	r.Ready(at(0))
	r.Fence(at(60), at(50))
	r.wantStage(t, Serving)
	r.want(t, "me 0")
}

func TestADeathBeforeFromLeavesAnEmptyWindow(t *testing.T) {
	r := doubting("a", "b")
	joiner := serving("b")
	joiner.Instance, joiner.Addr, joiner.From = NewInstance(at(5), 0), "b:2", at(12)
	joiner.Down, joiner.DownAt = true, at(11)
	b := serving("b")
	b.Down, b.DownAt = true, at(1)
	r.Learn(at(13), b, joiner)
	r.want(t, "a -3600, b -3600..1, b 12..12")
	if m, ok := r.View().Owner(0, at(12)); !ok || m.Name != "a" {
		t.Errorf("owner is %v %t", m, ok)
	}
}
