package roster

import (
	"strings"
	"testing"
	"time"
)

func TestAloneANodeServesAtOnce(t *testing.T) {
	r := me()
	r.Ready(at(0))
	r.wantStage(t, Serving)
	r.want(t, "me 0")
	if got := r.did(); got != "announce, participate" {
		t.Error(got)
	}
}

func TestAJoinIsALeadAhead(t *testing.T) {
	r := me("a", "b")
	r.pulse(at(0), "a", "b")
	r.Ready(at(0))
	r.wantStage(t, Joining)
	r.want(t, "a -3600, b -3600, me 5")
	if got := r.did(); got != "announce, tell a, tell b" {
		t.Error(got)
	}
	r.run(0.25, 4.75, func(now time.Time) { r.ack(now, "a", "b"); r.pulse(now, "a", "b") })
	r.wantStage(t, Joining)
	r.run(5, 5, nil)
	r.wantStage(t, Serving)
	if c := r.Counts(at(5)); c.Postponed != 0 || c.Transitions != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAJoinWaitsUntilClocksAreKnown(t *testing.T) {
	r := me("a", "b")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.wantStage(t, Viewing)
	r.pulse(at(0.5), "b")
	r.run(0.5, 0.5, nil)
	r.wantStage(t, Joining)

	r = me("a")
	r.Ready(at(0))
	r.run(0, 3, func(now time.Time) { r.Heard(now, "a", idOf("a")) })
	r.wantStage(t, Joining) // it has waited for long enough
}

func TestAWrongClockDoesNotServe(t *testing.T) {
	f := func(ahead, rtt time.Duration, want Stage) {
		t.Helper()
		r := me("a", "b")
		for _, p := range []string{"a", "b"} {
			r.Compare(at(0), p, Pulse{Instance: idOf(p), Clock: at(0).Add(ahead - rtt/2), Digest: r.Digest(at(0))}, rtt)
		}
		r.Ready(at(0))
		r.wantStage(t, want)
	}
	f(0, 0, Joining)
	f(900*time.Millisecond, 0, Joining)
	f(30*time.Second, 0, Viewing)
	f(-30*time.Second, 0, Viewing)
	f(1200*time.Millisecond, time.Second, Joining) // may be the network's doing
	f(30*time.Second, time.Second, Viewing)

	r := me("a", "b")
	r.pulse(at(0), "a", "b")
	r.Ready(at(0))
	r.run(0.25, 6, func(now time.Time) { r.ack(now, "a", "b"); r.pulse(now, "a", "b") })
	r.wantStage(t, Serving)
	for _, p := range []string{"a", "b"} {
		r.Compare(at(6.25), p, Pulse{Instance: idOf(p), Clock: at(16), Digest: r.Digest(at(6.25))}, 0)
	}
	r.Tick(at(6.25))
	r.wantStage(t, Fenced) // and stays so
	r.run(6.5, 8, func(now time.Time) { r.Heard(now, "a", idOf("a")); r.Heard(now, "b", idOf("b")) })
	r.wantStage(t, Fenced)
}

func TestADateMovesOnceIfAPeerHasNotHeard(t *testing.T) {
	r := me("a", "b")
	r.pulse(at(0), "a", "b")
	r.Ready(at(0))
	deaf := func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a", "b") } // b does not acknowledge
	r.run(0.25, 2.75, deaf)
	r.want(t, "a -3600, b -3600, me 5")
	r.run(3, 3, deaf)
	r.want(t, "a -3600, b -3600, me 5..5, me 10") // told two seconds ahead
	r.run(3.25, 10, deaf)
	r.wantStage(t, Serving)
	if c := r.Counts(at(10)); c.Postponed != 1 {
		t.Errorf("%+v", c)
	}
}

func TestADateMovesIfWeDoNotAgreeBeforeIt(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.did()
	r.run(0.25, 3, func(now time.Time) {
		r.ack(now, "a")
		r.Compare(now, "a", Pulse{Instance: idOf("a"), Clock: now, Digest: 1}, 0)
	})
	r.want(t, "a -3600, me 5..5, me 10")
	if got := r.did(); !strings.HasPrefix(got, "sync a") {
		t.Error(got)
	}
	if r.Counts(at(3)).Disagreement == 0 || r.Disagreed(at(3)) < 2*time.Second {
		t.Errorf("%+v, for %s", r.Counts(at(3)), r.Disagreed(at(3)))
	}
}

func TestALeaveIsALeadAhead(t *testing.T) {
	r := me("a")
	r.Learn(at(0), serving("a"))
	r.pulse(at(-10), "a")
	r.Ready(at(-10))
	r.run(-9.75, 0, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.did()
	r.Leave(at(0))
	r.want(t, "a -3600, me -5..5")
	r.run(0.25, 5, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.wantStage(t, Left)
	if got := r.did(); !strings.HasSuffix(got, "terminate, depart") {
		t.Error(got)
	}
	r.Ready(at(6)) // too late
	r.wantStage(t, Left)
}

func TestWhoLeavesBeforeItsFromNeverServes(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	r.Leave(at(1))
	r.want(t, "a -3600, me 5..5")
	r.run(1.25, 5, func(now time.Time) { r.ack(now, "a"); r.pulse(now, "a") })
	r.wantStage(t, Left)
}

func TestWhoLeavesJustBeforeItsFromServesForALead(t *testing.T) {
	f := func(now float64, want string) {
		t.Helper()
		r := me("a")
		r.pulse(at(0), "a")
		r.Ready(at(0))
		r.Leave(at(now))
		r.want(t, want)
	}
	f(4, "a -3600, me 5..10")
	f(5, "a -3600, me 5..10") // it serves, though no Tick has said so
}

func TestWhoDoesNotServeLeavesAtOnce(t *testing.T) {
	r := me("a")
	r.Leave(at(0))
	if got := r.did(); got != "depart" {
		t.Error(got)
	}
}
