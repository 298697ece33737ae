package roster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// begin is when every test begins.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at returns the time so many seconds after the beginning.
func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second))).Truncate(time.Millisecond)
}

// me returns the roster of the node "me", which met peers that serve.
func me(peers ...string) *Roster {
	r := New(Config{Name: "me", Addr: "me:1", Instance: NewInstance(begin, 0)})
	for _, p := range peers {
		r.Learn(begin, serving(p))
	}
	r.Take()
	return r
}

// serving returns the entry of a node that has served for an hour.
func serving(name string) Entry {
	return Entry{Name: name, Addr: name + ":1", Instance: NewInstance(at(-3600), 0), Seq: 2, From: at(-3600)}
}

// idOf returns the instance that serving gives.
func idOf(string) Instance { return NewInstance(at(-3600), 0) }

// pulse lets a peer say that it sees what r sees.
func (r *Roster) pulse(now time.Time, names ...string) {
	for _, name := range names {
		r.Compare(now, name, Pulse{Instance: idOf(name), Clock: now, Digest: r.Digest(now)}, time.Millisecond)
	}
}

// ack lets peers acknowledge what r announced.
func (r *Roster) ack(now time.Time, names ...string) {
	for _, name := range names {
		r.Acked(now, name, idOf(name), r.Self().Seq)
	}
}

// did returns the actions that became due, each as "deed peer", without
// repetitions.
func (r *Roster) did() string {
	var list []string
	for _, a := range r.Take() {
		list = append(list, strings.TrimSpace(a.Do.String()+" "+a.Peer))
	}
	return strings.Join(slices.Compact(list), ", ")
}

// run ticks four times a second until a time; each does what happens there.
func (r *Roster) run(from, to float64, each func(now time.Time)) {
	for s := from; s <= to; s += 0.25 {
		if each != nil {
			each(at(s))
		}
		r.Tick(at(s))
	}
}

// members returns who is in the View, with seconds from the beginning.
func (r *Roster) members() string {
	var list []string
	for _, m := range r.View().Members() {
		text := fmt.Sprintf("%s %g", m.Name, m.From.Sub(begin).Seconds())
		if !m.Until.IsZero() {
			text += fmt.Sprintf("..%g", m.Until.Sub(begin).Seconds())
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func (r *Roster) want(t *testing.T, members string) {
	t.Helper()
	if got := r.members(); got != members {
		t.Errorf("members are %q, want %q", got, members)
	}
}

func (r *Roster) wantStage(t *testing.T, s Stage) {
	t.Helper()
	if r.Stage() != s {
		t.Errorf("stage is %s, want %s", r.Stage(), s)
	}
}

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

func TestDepartedLivesAreForgotten(t *testing.T) {
	r := me("a")
	gone := serving("b")
	gone.Until = at(-30)
	r.Learn(at(0), gone)
	r.want(t, "a -3600, b -3600..-30")
	r.run(0, 61, func(now time.Time) { r.pulse(now, "a") })
	r.want(t, "a -3600")
	r.Learn(at(61), gone)
	r.want(t, "a -3600") // not again
}

func TestNothingIsForgottenBelowTheQuorum(t *testing.T) {
	r := New(Config{Name: "me", Addr: "me:1", Instance: 1 << 20, Quorum: owner.Quorum{Size: 2, Patience: 5 * time.Minute}})
	r.Ready(at(-10))
	gone := serving("b")
	gone.Until = at(0)
	r.Learn(at(-5), gone)
	r.run(0, 200, nil)
	r.want(t, "b -3600..0, me -10")
	if since, below := r.View().Below(at(200)); !below || !since.Equal(at(0)) {
		t.Error(since, below)
	}
}

func TestOtherSoftwareTakesPartWithoutDates(t *testing.T) {
	r := me()
	r.SetForeign(at(1), "x", true)
	r.SetForeign(at(2), "x", true)
	r.want(t, "x 1")
	r.Ready(at(3))
	r.want(t, "me 8, x 1") // somebody is there to take over from
	r.SetForeign(at(4), "x", false)
	r.want(t, "me 8, x 1..4")
	r.run(5, 70, nil)
	r.want(t, "me 8")
}

// Nodes that exchange their entries in any order end up with the same ones.
func TestMergingIsIndependentOfOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var entries []Entry
		for range 12 {
			e := serving(fmt.Sprint("n", rnd.IntN(3)))
			e.Seq = uint32(rnd.IntN(3))
			e.From = at(float64(e.Seq)) // what a life says with a Seq is always the same
			if rnd.IntN(3) == 0 {
				e.Down, e.DownAt = true, at(float64(rnd.IntN(4)))
			}
			entries = append(entries, e)
		}
		var want []Entry
		for range 5 {
			rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			r := me()
			for _, e := range append(entries, entries...) {
				r.Learn(at(0), e)
			}
			if want == nil {
				want = r.Entries()
			}
			if diff := cmp.Diff(want, r.Entries()); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}

func TestNobodyMakesUsRememberWithoutBound(t *testing.T) {
	r := me()
	for i := range maxLives + 10 {
		r.Learn(at(0), serving(fmt.Sprint("n", i)))
	}
	if n := len(r.Entries()); n != maxLives+1 {
		t.Errorf("%d entries", n)
	}
	r = me()
	for i := range maxNamesakes + 10 {
		e := serving("n")
		e.Addr, e.Instance = fmt.Sprint(i), Instance(i+1)
		r.Learn(at(0), e)
	}
	if n := len(r.Entries()); n != maxNamesakes+1 {
		t.Errorf("%d entries of one name", n)
	}
}

// Among many nodes each watches some, and each is watched by as many.
func TestManyNodesWatchEachOther(t *testing.T) {
	names := []string{}
	for i := range 50 {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	watched := map[string]int{}
	for _, name := range names {
		r := New(Config{Name: name, Addr: name + ":1", Instance: idOf(name)})
		for _, p := range names {
			r.Learn(at(0), serving(p))
		}
		r.Tick(at(0))
		for _, e := range r.Watched() {
			watched[e.Name]++
		}
	}
	for _, name := range names {
		if watched[name] != someWatched {
			t.Errorf("%s is watched by %d", name, watched[name])
		}
	}
}
