package gossip

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDoorBoundsWhatIsOpen(t *testing.T) {
	d := door{maxOpen: 3, maxByAddr: 2}
	now := time.Unix(0, 0)
	a, b := visitorOf("10.0.0.1:1"), visitorOf("10.0.0.2:1")
	f := func(want ...verdict) {
		t.Helper()
		var got []verdict
		for _, from := range []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.2:1", "10.0.0.2:2"} {
			got = append(got, d.enter(visitorOf(from), now))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	f(admitted, admitted, tooMany, admitted, full)
	d.leave(a)
	d.leave(a)
	d.leave(b)
	f(admitted, admitted, tooMany, admitted, full)
}

func TestDoorBoundsTheRate(t *testing.T) {
	d := door{maxOpen: 1000, maxByAddr: 1000, rate: 10}
	now := time.Unix(0, 0)
	admittedOf := func(from string, n int) int {
		got := 0
		for range n {
			if d.enter(visitorOf(from), now) == admitted {
				got++
				d.leave(visitorOf(from))
			}
		}
		return got
	}
	f := func(from string, want int) {
		t.Helper()
		if got := admittedOf(from, 10_000); got != want {
			t.Errorf("%s at %s: %d admitted, want %d", from, now.UTC(), got, want)
		}
	}
	f("[2001:db8::1]:1", 20)
	f("[2001:db8::2]:1", 0) // the same /64
	f("10.0.0.1:1", 20)     // somebody else
	now = now.Add(time.Second)
	f("10.0.0.1:1", 10)
	now = now.Add(-time.Hour)
	f("10.0.0.1:1", 0)
	now = now.Add(24 * time.Hour)
	f("10.0.0.1:1", 20)
}

func TestDoorForgetsTheQuiet(t *testing.T) {
	d := door{maxOpen: 10, maxByAddr: 10, rate: 1}
	now := time.Unix(0, 0)
	stays := visitorOf("10.0.0.1:1")
	d.enter(stays, now)
	addr := stays.Addr()
	for range 3 * maxVisitors {
		now = now.Add(time.Second)
		addr = addr.Next()
		from, _ := addr.Prefix(32)
		if got := d.enter(from, now); got != admitted {
			t.Fatalf("%s: %v", from, got)
		}
		d.leave(from)
	}
	if len(d.byAddr) > maxVisitors {
		t.Errorf("%d visitors are remembered", len(d.byAddr))
	}
	d.leave(stays)
}
