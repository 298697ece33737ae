package roster

import (
	"fmt"
	"testing"
	"time"
)

// Whatever peers tell, a roster holds what it promises: bounds, its own life,
// and a View in which each slot has one owner.
func FuzzRosterHearsAnything(f *testing.F) {
	entry := someEntry
	f.Add(EncodeLetter(Letter{Kind: Tell, Entries: []Entry{entry, {Name: "me", Addr: "x:1", Instance: 3, Seq: 9, From: at(1)}}}), uint16(300))
	f.Add(EncodeLetter(Letter{Kind: Tell, Entries: []Entry{{Name: "me", Instance: NewInstance(begin, 0), Seq: 7, Down: true}}}), uint16(9))
	f.Add(EncodeLetter(Letter{Kind: Tell, Entries: []Entry{{Name: "a", Addr: "a:1", Instance: 5, Seq: 1<<32 - 1, From: at(9), Until: at(-9)}}}), uint16(60))
	f.Fuzz(func(t *testing.T, b []byte, seconds uint16) {
		l, err := DecodeLetter(b)
		if err != nil {
			return
		}
		r := me("a")
		r.pulse(at(0), "a")
		r.Ready(at(0))
		r.Learn(at(1), l.Entries...)
		for _, now := range []time.Time{at(1), at(2), at(7), at(float64(seconds))} {
			r.Tick(now)
			r.Take()
			if _, err := DecodeMetadata(EncodeMetadata(r.Self()), "me", "me:1"); err != nil {
				t.Fatal(err)
			}
			r.View().Owner(1<<40, now)
			r.Digest(now)
		}
		r.Fence(at(8), at(7))
		r.Learn(at(9), l.Entries...)
		r.Tick(at(9))
		if n := len(r.Entries()); n > 2+len(l.Entries) || r.Self().Name != "me" {
			t.Fatalf("%d entries, and this is %s", n, r.Self().Name)
		}
	})
}

// A node that dies as soon as it starts has many lives; who makes them up cannot
// make each look at them costly.
func BenchmarkNamesakes(b *testing.B) {
	for _, names := range []int{1, 100} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			var entries []Entry
			for n := range names {
				for life := range 10_000 / names {
					e := serving(fmt.Sprint("n", n))
					e.Addr, e.Instance = fmt.Sprint(life), Instance(life+1)
					entries = append(entries, e)
				}
			}
			for b.Loop() {
				r := me()
				r.Learn(at(0), entries...)
				r.Tick(at(0))
				r.View()
			}
		})
	}
}
