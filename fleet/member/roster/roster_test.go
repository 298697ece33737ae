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
	if v := r.View(); v.RingKey(1, 2, at(3)) != 2 || v.RingKey(1, 2, at(4)) != 1 {
		t.Error("its keys count while it takes part, and only then")
	}
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
