package roster

import (
	"testing"
	"time"
)

func TestARestartInPlaceEndsTheFormerLife(t *testing.T) {
	r := doubting("a", "b")
	anew := serving("a")
	anew.Instance, anew.From = NewInstance(at(11), 0), at(17)
	r.Learn(at(11.5), anew)
	r.want(t, "a -3600..10, a 17, b -3600")
}

// Whose clock went back at a restart has the lower instance. It knows that its
// address is its own.
func TestARestartWithAClockThatWentBack(t *testing.T) {
	r := me()
	past := serving("me")
	past.Addr, past.Instance, past.From = "me:1", NewInstance(at(100), 0), at(-50)
	r.Learn(at(0), past)
	if !r.Ended(at(0), "me", past.Instance) {
		t.Error("the former life is held for alive")
	}
}

func TestTheFirstWithANameKeepsIt(t *testing.T) {
	r := me("a")
	rival := serving("me")
	rival.Addr = "elsewhere:1"
	r.pulse(at(0), "a")
	r.Learn(at(0), rival)
	r.Ready(at(0))
	r.wantStage(t, Displaced)
	r.want(t, "a -3600, me -3600")
	if m := r.View().Members()[1]; !m.Peer {
		t.Error("the member of our name is not us")
	}
	if r.Rival() != "elsewhere:1" {
		t.Error(r.Rival())
	}
	each := func(now time.Time) { r.pulse(now, "a", "me"); r.ack(now, "a") }
	r.run(0.25, 10, each)
	r.wantStage(t, Displaced)
	rival.Down, rival.DownAt = true, at(10)
	r.run(10.25, 12, func(now time.Time) { r.pulse(now, "a"); r.ack(now, "a") })
	r.Learn(at(12), rival)
	r.run(12.25, 20, func(now time.Time) { r.pulse(now, "a"); r.ack(now, "a") })
	r.wantStage(t, Serving)
}

func TestTheLaterOfTwoWithdraws(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	later := serving("me")
	later.Addr, later.Instance, later.From = "elsewhere:1", NewInstance(at(1), 0), at(8)
	r.Learn(at(3), later)
	r.wantStage(t, Joining)
	r.want(t, "a -3600, me 5")
	earlier := later
	earlier.Addr, earlier.Instance, earlier.From = "third:1", NewInstance(at(-1), 0), at(4)
	r.Learn(at(3), earlier)
	r.wantStage(t, Displaced)
	r.want(t, "a -3600, me 4")
}

func TestANameIsFreeWhenTheGossipNoLongerRefusesIt(t *testing.T) {
	r := me()
	r.Refused(at(0))
	r.Ready(at(0))
	r.run(0.25, 2.75, nil)
	r.wantStage(t, Displaced)
	r.run(3, 3.5, nil)
	r.wantStage(t, Serving)
}
