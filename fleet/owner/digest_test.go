package owner

import (
	"testing"
	"time"
)

func TestDigestsDifferWhereOwnersDo(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	later, before := at.Add(time.Minute), at.Add(-time.Minute)
	f := func(equal bool, a, b View) {
		t.Helper()
		if got := a.Digest(at) == b.Digest(at); got != equal {
			t.Errorf("digests of %v and %v are equal: %t", a.members, b.members, got)
		}
	}
	both := NewView(Member{Name: "a"}, Member{Name: "b"})
	f(true, both, NewView(Member{Name: "b", Peer: true}, Member{Name: "a"}))
	f(true, both, NewView(Member{Name: "a", From: before}, Member{Name: "b", From: at}))
	f(true, both, NewView(Member{Name: "a"}, Member{Name: "b"}, Member{Name: "c", Until: at}))
	f(false, both, NewView(Member{Name: "a"}))
	f(false, both, NewView(Member{Name: "ab"}))
	f(false, both, NewView(Member{Name: "a"}, Member{Name: "b"}, Member{Name: "c", From: later}))
	f(false, both, NewView(Member{Name: "a"}, Member{Name: "b", Until: later}))
	f(false, NewView(Member{Name: "a", From: later}), NewView(Member{Name: "a", Until: later}))
	f(false, both, both.WithQuorum(Quorum{Size: 2}))
	// When the wait for more ends follows from when one left.
	patient := Quorum{Size: 3, Patience: time.Hour}
	f(false, both.WithQuorum(patient), NewView(Member{Name: "a"}, Member{Name: "b"}, Member{Name: "c", Until: before}).WithQuorum(patient))
	f(false, both.WithQuorum(Quorum{Size: 2}), both.WithQuorum(Quorum{Size: 2, Patience: time.Minute}))
}

func TestSetDigestsDoNotDependOnTheOrder(t *testing.T) {
	sum := func(keys ...Key) (d SetDigest) {
		for _, k := range keys {
			d = d.Add(k)
		}
		return d
	}
	if sum(1, 2, 3) != sum(3, 1, 2) {
		t.Error("the order counts")
	}
	seen := map[SetDigest][]Key{}
	for _, keys := range [][]Key{{}, {0}, {1}, {3}, {0, 1}, {0, 3}, {1, 2}, {0, 1, 2}, {1, 2, 3}, {0, 1, 2, 3}, {1 << 63}, {1<<63 + 1, ^Key(0)}} {
		if other, ok := seen[sum(keys...)]; ok {
			t.Errorf("%v and %v have one digest", keys, other)
		}
		seen[sum(keys...)] = keys
	}
}
