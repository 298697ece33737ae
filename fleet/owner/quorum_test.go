package owner

import (
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

func TestNobodyOwnsAnythingBelowTheQuorum(t *testing.T) {
	members := []Member{
		{Name: "a", From: after(0)},
		{Name: "b", From: after(time.Minute)},
		{Name: "c", From: after(2 * time.Minute), Until: after(10 * time.Minute)},
	}
	f := func(q Quorum, at time.Duration, want bool) {
		t.Helper()
		v := NewView(members...).WithQuorum(q)
		if _, got := v.Owner(1, after(at)); got != want {
			t.Errorf("%+v: owned at %s is %t; want %t", q, at, got, want)
		}
	}
	none, three := Quorum{}, Quorum{Size: 3}
	f(none, time.Second, true)
	f(none, -time.Second, false)
	f(three, time.Second, false)
	f(three, 119*time.Second, false)
	f(three, 120*time.Second, true)
	f(three, 10*time.Minute, false)
	f(three, time.Hour, false)

	patient := Quorum{Size: 3, Patience: 90 * time.Second}
	f(patient, 89*time.Second, false)
	f(patient, 90*time.Second, true) // a and b have waited since a came
	f(patient, 5*time.Minute, true)
	f(patient, 10*time.Minute, false) // c has gone: the wait begins anew
	f(patient, 11*time.Minute+29*time.Second, false)
	f(patient, 11*time.Minute+30*time.Second, true)
}

func TestAChangeOfHandsAtOneInstantIsNotAGap(t *testing.T) {
	v := NewView(
		Member{Name: "a", Until: after(time.Minute)},
		Member{Name: "b"},
		Member{Name: "c", From: after(time.Minute)},
	).WithQuorum(Quorum{Size: 2})
	if _, ok := v.Owner(1, after(time.Minute)); !ok {
		t.Error("nobody owns the key although two members serve at every instant")
	}
}

// dumbBelow asks about every second from the first one on.
func dumbBelow(v View, at time.Duration) (since time.Time, below bool) {
	below = true
	for s := time.Duration(0); s <= at; s += time.Second {
		switch now := v.Size(after(s)) < v.quorum.Size; {
		case now && (!below || since.IsZero()):
			since, below = after(s), true
		case !now:
			since, below = time.Time{}, false
		}
	}
	return since, below
}

func TestQuorumEqualsTheDumbOne(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		members := []Member{{Name: "first", From: after(0)}}
		for i := range 1 + rnd.IntN(5) {
			m := Member{Name: nodeNames(i + 1)[i], From: after(time.Duration(rnd.IntN(40)) * time.Second)}
			if rnd.IntN(2) == 0 {
				m.Until = m.From.Add(time.Duration(rnd.IntN(30)) * time.Second)
			}
			members = append(members, m)
		}
		v := NewView(members...).WithQuorum(Quorum{Size: 2 + rnd.IntN(3)})
		for at := time.Duration(0); at < 90*time.Second; at += time.Second {
			since, below := v.Below(after(at))
			if wantSince, want := dumbBelow(v, at); below != want || !since.Equal(wantSince) {
				t.Fatalf("%+v at %s: below since %s, %t; want %s, %t", v.members, at, since, below, wantSince, want)
			}
		}
	}
}
