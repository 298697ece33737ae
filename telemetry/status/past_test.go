package status

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// A past is what a list of the last scrapes is, but for errors that are not
// those of the last failure.
func TestPastIsTheLastScrapes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var p Past
	var all []Scrape
	for n := range 3 * maxPast {
		slot := time.UnixMilli(1_700_000_000_000 + int64(n)*15_000)
		s := Scrape{
			Slot: slot, At: slot.Add(time.Duration(r.IntN(90)) * time.Millisecond),
			Duration: time.Duration(r.IntN(1e6)) * time.Microsecond,
			Bytes:    r.IntN(1e6), Samples: r.IntN(1e4), Kept: r.IntN(1e4),
		}
		if r.IntN(3) == 0 {
			s.Err = fmt.Sprintf("error %d", n/7)
		}
		p.Add(s)
		all = append(all, s)
		if diff := cmp.Diff(dumbPast(all), p.List()); diff != "" {
			t.Fatalf("after %d scrapes: %s", n+1, diff)
		}
		if diff := cmp.Diff(s, p.Last()); diff != "" {
			t.Fatalf("scrape %d: %s", n, diff)
		}
	}
}

// dumbPast is what a past lists that all was added to.
func dumbPast(all []Scrape) []Scrape {
	out := append([]Scrape{}, all[max(0, len(all)-maxPast):]...)
	last, other := "", false
	for i := len(out) - 1; i >= 0; i-- {
		if out[i].Err == "" {
			continue
		}
		if last == "" {
			last = out[i].Err
		}
		if other = other || out[i].Err != last; other {
			out[i].Err = errForgotten
		}
	}
	return out
}

// What is too large for an outcome becomes as large as it can be, and what
// happened before its slot happened at it.
func TestOutcomeIsCutToWhatFits(t *testing.T) {
	slot := time.UnixMilli(1_700_000_000_000)
	f := func(in, want Scrape) {
		t.Helper()
		in.Slot, want.Slot = slot, slot
		if diff := cmp.Diff(want, newOutcome(in).scrape(in.Err)); diff != "" {
			t.Error(diff)
		}
	}
	f(Scrape{At: slot.Add(-time.Second), Bytes: -1}, Scrape{At: slot})
	f(Scrape{At: slot.Add(100 * time.Hour), Duration: 100 * time.Hour, Err: "e"},
		Scrape{At: slot.Add(maxLate * time.Millisecond), Duration: maxTook * time.Microsecond, Err: "e"})
	if size := unsafe.Sizeof(outcome{}); size != 24 {
		t.Errorf("an outcome has %d bytes", size)
	}
}
