package walk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/telemetry"
)

// pageOf is an exposition of these series with values at random.
func pageOf(series []string, media string, r *rand.Rand) string {
	var b strings.Builder
	for i, s := range series {
		if i%7 == 0 {
			fmt.Fprintf(&b, "# TYPE %s gauge\n", s[:strings.IndexByte(s, '{')])
		}
		fmt.Fprintf(&b, "%s %d\n", s, r.IntN(10))
	}
	if media == mediaOpenMetrics {
		b.WriteString("# EOF\n")
	}
	return b.String()
}

// seriesTexts are n texts of equal length.
func seriesTexts(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("m%02d{i=\"%03d\"}", i/7, i))
	}
	return list
}

// expected is what a walk without memory appends for body, and the ends of the
// series that are gone.
func expected(body, media string, ended ...string) []string {
	r := newRecorder()
	lines, _ := walked(newTestWalk(plain(), r), r, body, media)
	for _, s := range ended {
		name, label, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
		k, v, _ := strings.Cut(label, "=")
		lines = append(lines, fmt.Sprintf("{__name__=%q, %s=%s, instance=\"a:80\", job=\"j\"} stale", name, k, v))
	}
	slices.Sort(lines)
	return lines
}

// Two texts with the same hash and length: the memory takes one for the other
// until the line is audited, within as many scrapes as auditor.every. What that
// scrape appends is right again, the end of the former series included.
func TestCollisionIsFoundWithinARound(t *testing.T) {
	f := func(media string, every, at int) {
		t.Helper()
		r, sink := rand.New(rand.NewPCG(uint64(at), 1)), newRecorder()
		w := newTestWalk(plain(), sink)
		w.every = every
		series := seriesTexts(40)
		for range 3 {
			if _, live := walked(w, sink, pageOf(series, media, r), media); len(live) != len(series) || w.damaged != 0 {
				t.Fatalf("%d series, %d wrong", len(live), w.damaged)
			}
		}
		before := series[at]
		series[at] = strings.Replace(before, "i=", "j=", 1)
		for i := range w.memory.entries {
			// The new text shall have the old one's hash.
			e := &w.memory.entries[i]
			if e.hash == w.hash([]byte(before)) {
				e.hash = w.hash([]byte(series[at]))
				e.check = e.seal()
			}
		}
		for n := 1; ; n++ {
			body := pageOf(series, media, r)
			got, _ := walked(w, sink, body, media)
			slices.Sort(got)
			if w.damaged > 0 {
				if diff := cmp.Diff(expected(body, media, before), got); diff != "" {
					t.Errorf("scrape %d finds it and appends (-want +got):\n%s", n, diff)
				}
				break
			}
			if n > every {
				t.Fatalf("not found after %d scrapes", n)
			}
		}
		checkSound(t, w, sink, pageOf(series, media, r), media)
		if len(sink.held()) != 0 {
			t.Errorf("held: %v", sink.held())
		}
	}
	for at := range 40 {
		f(mediaText, 1, at)
		f(mediaText, 10, at)
		f(mediaText, 100, at)
		f(mediaOpenMetrics, 30, at)
	}
}

// checkSound makes one more scrape and gives the memory up.
func checkSound(t *testing.T, w *testWalk, sink *recorder, body, media string) {
	t.Helper()
	got, _ := walked(w, sink, body, media)
	slices.Sort(got)
	if diff := cmp.Diff(expected(body, media), got); diff != "" || w.damaged != 0 || len(sink.faults) > 0 {
		t.Errorf("later: %d wrong, faults %v, (-want +got):\n%s", w.damaged, sink.faults, diff)
	}
	w.memory.Forget()
}

// A hash of no bits makes all texts of one length equal, and lines that move are
// taken for others; the audit finds that out, here of as many lines as there are,
// within a round, even where the confusion makes scrapes fail before it.
func TestHashOfNoBitsIsFoundOut(t *testing.T) {
	for _, media := range []string{mediaText, mediaOpenMetrics} {
		r, sink := rand.New(rand.NewPCG(3, 1)), newRecorder()
		w := newTestWalk(plain(), sink)
		w.every, w.mask = 1, 0
		series := seriesTexts(40)
		for round := range 50 {
			series = append(series[1:], fmt.Sprintf("new{k=\"%02d\"}", round))
			for n := 1; ; n++ {
				body := pageOf(series, media, r)
				got, _ := walked(w, sink, body, media)
				got = slices.DeleteFunc(got, func(l string) bool { return strings.HasSuffix(l, " stale") })
				slices.Sort(got)
				diff := cmp.Diff(expected(body, media), got)
				if diff == "" {
					break
				}
				if n > len(w.memory.entries) {
					t.Fatalf("%s, round %d (-want +got):\n%s", media, round, diff)
				}
			}
		}
	}
}

// Whatever happens to an entry, it is noticed by the next scrape, which appends
// what is right all the same.
func TestTornEntryIsNotUsed(t *testing.T) {
	tear := []func(e, other *entry, r *rand.Rand){
		func(e, _ *entry, r *rand.Rand) { e.hash ^= 1 << r.IntN(64) },
		func(e, _ *entry, r *rand.Rand) { e.handle ^= 1 << r.IntN(64) },
		func(e, _ *entry, r *rand.Rand) { e.size ^= 1 << r.IntN(32) },
		func(e, _ *entry, r *rand.Rand) { e.flags ^= 1 << r.IntN(8) },
		func(e, _ *entry, r *rand.Rand) { e.check ^= 1 << r.IntN(16) },
		func(e, other *entry, _ *rand.Rand) { e.handle, other.handle = other.handle, e.handle },
		func(e, _ *entry, _ *rand.Rand) { *e = entry{} },
	}
	r, missed := rand.New(rand.NewPCG(5, 1)), 0
	for round := range 40 {
		for i, f := range tear {
			media := []string{mediaText, mediaOpenMetrics}[round%2]
			sink := newRecorder()
			w := newTestWalk(plain(), sink)
			w.every = math.MaxInt
			series := seriesTexts(40)
			walked(w, sink, pageOf(series, media, r), media)
			list := w.memory.entries
			one, other := &list[r.IntN(len(list))], &list[r.IntN(len(list))]
			was, otherWas := *one, *other
			f(one, other, r)
			if *one == was {
				continue // a swap with itself, or of two lines without a series
			}
			if one.intact() || *other != otherWas && other.intact() {
				if missed++; missed > 1 { // once is one time in 200
					t.Errorf("tear %d is not noticed", i)
				}
				continue
			}
			body := pageOf(series, media, r)
			got, _ := walked(w, sink, body, media)
			slices.Sort(got)
			if diff := cmp.Diff(expected(body, media), got); diff != "" || w.damaged == 0 {
				t.Errorf("tear %d: %d noticed, (-want +got):\n%s", i, w.damaged, diff)
			}
			checkSound(t, w, sink, pageOf(series, media, r), media)
		}
	}
}

// The seal covers every bit of an entry, and all of them at once: of 2,000 changes
// 0.03 go unnoticed on average.
func TestSealCoversEveryBit(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	f := func(name string, change func(e *entry)) {
		t.Helper()
		missed := 0
		for range 2000 {
			e := entry{hash: r.Uint64(), handle: telemetry.SinkID(3).Handle(r.IntN(1 << 20)), size: uint32(r.IntN(300)), flags: tracked}
			e.check = e.seal()
			if change(&e); e.intact() {
				missed++
			}
		}
		if missed > 2 {
			t.Errorf("%s: %d of 2000 are not noticed", name, missed)
		}
	}
	for i := range 64 {
		f(fmt.Sprintf("bit %d of hash", i), func(e *entry) { e.hash ^= 1 << i })
		f(fmt.Sprintf("bit %d of handle", i), func(e *entry) { e.handle ^= 1 << i })
		f(fmt.Sprintf("bit %d of size", i%32), func(e *entry) { e.size ^= 1 << (i % 32) })
		f(fmt.Sprintf("bit %d of flags", i%8), func(e *entry) { e.flags ^= 1 << (i % 8) })
		f(fmt.Sprintf("bit %d of check", i%16), func(e *entry) { e.check ^= 1 << (i % 16) })
	}
	f("another handle", func(e *entry) { e.handle += telemetry.Handle(1 + r.IntN(100)) })
	f("zeros", func(e *entry) { *e = entry{} })
}

// A failed scrape marks what it can, and a target that moves away releases what
// it can; neither touches another's series.
func TestTornEntryIsNotReleased(t *testing.T) {
	sink := newRecorder()
	w := newTestWalk(plain(), sink)
	walked(w, sink, "x 1\ny 2\nz 3\n", mediaText)
	w.memory.entries[1].handle = sink.id.Handle(77)
	got, _ := walked(w, sink, "{", mediaText)
	if want := []string{`{__name__="x", instance="a:80", job="j"} stale`, `{__name__="z", instance="a:80", job="j"} stale`}; !slices.Equal(got, want) {
		t.Errorf("markers: %v", got)
	}
	w.memory.Forget()
	if len(sink.faults) > 0 || len(sink.held()) != 1 {
		t.Errorf("faults %v, held %v", sink.faults, sink.held())
	}
}

// A scrape that finds the memory wrong and fails all the same does not replace
// it, so the next one trusts nothing of it.
func TestWrongMemoryIsNotTrustedAfterAFailure(t *testing.T) {
	for _, media := range []string{mediaText, mediaOpenMetrics} {
		r, sink := rand.New(rand.NewPCG(9, 1)), newRecorder()
		w := newTestWalk(plain(), sink)
		w.every = 1
		series := seriesTexts(40)
		walked(w, sink, pageOf(series, media, r), media)
		one, other := &w.memory.entries[5], &w.memory.entries[6]
		one.handle, other.handle = other.handle, one.handle
		one.set(one.flags)
		other.set(other.flags)
		if walked(w, sink, pageOf(series, media, r)+"{", media); w.damaged == 0 {
			t.Fatalf("%s: not found", media)
		}
		w.every = math.MaxInt
		checkSound(t, w, sink, pageOf(series, media, r), media)
	}
}

// No false alarm: a body may end with or without a newline.
func TestAuditHeedsMissingNewline(t *testing.T) {
	f := func(media string, bodies ...string) {
		t.Helper()
		sink := newRecorder()
		w := newTestWalk(plain(), sink)
		w.every = 1
		for i, body := range bodies {
			got, _ := walked(w, sink, body, media)
			if diff := cmp.Diff(expected(body, media), got); diff != "" || w.damaged != 0 {
				t.Errorf("body %d: %d damaged, (-want +got):\n%s", i, w.damaged, diff)
			}
		}
	}
	f(mediaText, "x 1", "x 2", "x 1\n", "x 1\n# end", "x 2\n# end", "x 3\n# end\n", "x 1\n# end")
	f(mediaOpenMetrics, "x 1\n# EOF", "x 2\n# EOF", "x 3\n# EOF\n", "x 4\n# EOF\n", "x 5\n# EOF")
}

// No false alarm: a sink whose rules change between two audits is no damage.
func TestAuditHeedsNewRules(t *testing.T) {
	sink := newRecorder()
	w := newTestWalk(plain(), sink)
	w.every = 1
	walked(w, sink, "x 1\ny 2\n", mediaText)
	w.t += 10_000
	w.now = w.t
	w.begin(w.t)
	sink.change()
	if err := w.read([]byte("x 1\ny 2\n"), mediaText); err != nil || w.damaged != 0 {
		t.Errorf("%v, %d damaged", err, w.damaged)
	}
}
