package roster

import (
	"strings"
	"testing"
	"time"
)

// The beginning of a death among peers that were heard at second 10.
func doubting(peers ...string) *Roster {
	r := me(peers...)
	r.run(0, 10, func(now time.Time) { r.pulse(now, peers...) })
	r.Take()
	return r
}

func TestADeathNeedsAWitness(t *testing.T) {
	r := doubting("a", "b", "c")
	r.Doubt(at(10.1), "a", idOf("a"))
	if got := r.did(); got != "ask b, ask c" {
		t.Error(got)
	}
	r.Answered(at(10.2), "a", idOf("a"), false)
	r.want(t, "a -3600, b -3600, c -3600") // the other one may know better
	r.Answered(at(10.3), "a", idOf("a"), false)
	r.want(t, "a -3600..10, b -3600, c -3600") // until its last pulse, by its own clock
	if got := r.did(); got != "tell a, tell b, tell c" {
		t.Errorf("%s: a is told too, it might object", got)
	}
	if d := r.Deaths(); len(d) != 1 || !d[0].Proof.Equal(at(10)) || !d[0].Known.Equal(at(10.3)) {
		t.Errorf("%v", d)
	}
}

func TestOneWitnessIsEnoughIfTheOtherIsSilent(t *testing.T) {
	r := doubting("a", "b", "c")
	r.Doubt(at(10.1), "a", idOf("a"))
	r.Answered(at(10.2), "a", idOf("a"), false)
	r.run(10.5, 10.75, func(now time.Time) { r.pulse(now, "b", "c") })
	r.want(t, "a -3600..10, b -3600, c -3600")
}

func TestWhoIsVouchedForLives(t *testing.T) {
	r := doubting("a", "b", "c")
	r.Doubt(at(10.1), "a", idOf("a"))
	r.run(10.25, 30, func(now time.Time) {
		r.pulse(now, "b", "c")
		r.Answered(now, "a", idOf("a"), true) // by b
		r.Answered(now, "a", idOf("a"), false)
	})
	r.want(t, "a -3600, b -3600, c -3600")
}

func TestWithNobodyToAskADoubtIsEnough(t *testing.T) {
	r := doubting("a")
	r.Doubt(at(10.1), "a", idOf("a"))
	r.want(t, "a -3600..10")
}

func TestSilenceIsADoubt(t *testing.T) {
	r := doubting("a", "b")
	r.run(10.25, 12.5, func(now time.Time) { r.pulse(now, "b") })
	if got := r.did(); strings.Contains(got, "ask") {
		t.Error(got)
	}
	r.run(12.75, 12.75, func(now time.Time) { r.pulse(now, "b") })
	if got := r.did(); !strings.Contains(got, "ask b") {
		t.Error(got)
	}
}

// Who was starved itself does not take others for dead.
func TestSilenceOfEverybodyDuringALateTickIsOurs(t *testing.T) {
	r := doubting("a", "b")
	r.Tick(at(15))
	r.run(15.25, 17, nil)
	r.want(t, "a -3600, b -3600")
	r.run(17.25, 20, nil)
	r.want(t, "a -3600..10, b -3600..10")
}

func TestWhoIsHeardIsNotBelievedDead(t *testing.T) {
	r := doubting("a", "b")
	dead := serving("a")
	dead.Down, dead.DownAt = true, at(9)
	r.Learn(at(10), dead)
	r.want(t, "a -3600, b -3600")
	if got := r.did(); got != "tell a" { // it objects, or is silent
		t.Error(got)
	}
	r.Learn(at(11.5), dead)
	r.want(t, "a -3600..9, b -3600")
}

func TestAFalseDeathIsObjectedTo(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.run(0.25, 6, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	said := r.Self()
	said.Down, said.DownAt = true, at(6)
	r.did()
	r.Learn(at(7), said)
	if got := r.did(); got != "announce, tell a" {
		t.Error(got)
	}
	if now := r.Self(); now.Seq != said.Seq+1 || !now.From.Equal(said.From) || r.Counts(at(7)).FalseDeaths != 1 {
		t.Errorf("%+v", now)
	}
	other := me("x")
	other.Learn(at(7), said)
	other.Learn(at(7), r.Self())
	other.want(t, "x -3600") // both are called me here: not its own business
}
