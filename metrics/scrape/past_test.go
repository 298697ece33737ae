package scrape

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// A past is what a list of the last scrapes is, but for errors that are not
// those of the last failure.
func TestPastIsTheLastScrapes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var p past
	var all []status.Scrape
	for n := range 3 * maxPast {
		slot := time.UnixMilli(1_700_000_000_000 + int64(n)*15_000)
		s := status.Scrape{
			Slot: slot, At: slot.Add(time.Duration(r.IntN(90)) * time.Millisecond),
			Duration: time.Duration(r.IntN(1e6)) * time.Microsecond,
			Bytes:    r.IntN(1e6), Samples: r.IntN(1e4), Kept: r.IntN(1e4),
		}
		if r.IntN(3) == 0 {
			s.Err = fmt.Sprintf("error %d", n/7)
		}
		p.add(s)
		all = append(all, s)
		if diff := cmp.Diff(dumbPast(all), p.list()); diff != "" {
			t.Fatalf("after %d scrapes: %s", n+1, diff)
		}
		if diff := cmp.Diff(s, p.last()); diff != "" {
			t.Fatalf("scrape %d: %s", n, diff)
		}
	}
}

// dumbPast is what a past lists that all was added to.
func dumbPast(all []status.Scrape) []status.Scrape {
	out := append([]status.Scrape{}, all[max(0, len(all)-maxPast):]...)
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
	f := func(in, want status.Scrape) {
		t.Helper()
		in.Slot, want.Slot = slot, slot
		if diff := cmp.Diff(want, newOutcome(in).scrape(in.Err)); diff != "" {
			t.Error(diff)
		}
	}
	f(status.Scrape{At: slot.Add(-time.Second), Bytes: -1}, status.Scrape{At: slot})
	f(status.Scrape{At: slot.Add(100 * time.Hour), Duration: 100 * time.Hour, Err: "e"},
		status.Scrape{At: slot.Add(maxLate * time.Millisecond), Duration: maxTook * time.Microsecond, Err: "e"})
	if size := unsafe.Sizeof(outcome{}); size != 24 {
		t.Errorf("an outcome has %d bytes", size)
	}
}
