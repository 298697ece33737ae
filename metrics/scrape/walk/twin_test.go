package walk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/telemetry"
)

// A scribe writes expositions that resemble the one before: values change,
// lines come, go, move, are given twice or are spoilt.
type scribe struct {
	r     *rand.Rand
	om    bool
	lines []string
	pages int
}

// next returns another page.
func (s *scribe) next() string {
	s.pages++
	if s.r.IntN(3) > 0 {
		for range s.r.IntN(4) {
			s.change()
		}
	}
	var b strings.Builder
	for i, l := range s.lines {
		if strings.HasPrefix(l, "#") {
			b.WriteString(l + "\n")
			continue
		}
		b.WriteString(l + s.tail(i) + "\n")
	}
	if s.om {
		b.WriteString("# EOF\n")
	}
	return b.String()
}

// tail is the end of line i.
func (s *scribe) tail(i int) string {
	switch s.r.IntN(60) {
	case 0:
		return " 0x1"
	case 1:
		t := s.pages*10_000 + 5000 + s.r.IntN(1000) // later than the scrape before, earlier than the next
		if s.om {
			return fmt.Sprintf(" %d %d.%03d", s.r.IntN(10), t/1000, t%1000)
		}
		return fmt.Sprintf(" %d %d", s.r.IntN(10), t)
	case 2:
		return " NaN"
	case 3:
		if s.om {
			return fmt.Sprintf(" %d # {t=\"%d\"} 1", s.r.IntN(10), i)
		}
		return "\t 7 "
	}
	return fmt.Sprintf(" %d", s.r.IntN(10))
}

// change changes the lines.
func (s *scribe) change() {
	at := s.r.IntN(len(s.lines) + 1)
	switch s.r.IntN(8) {
	case 0, 1:
		s.lines = slices.Insert(s.lines, at, fmt.Sprintf("x%d{a=\"%d\"}", s.r.IntN(3), s.r.IntN(30)))
	case 2:
		s.lines = slices.Insert(s.lines, at, fmt.Sprintf("y%d", s.r.IntN(5)))
	case 3:
		s.lines = slices.Insert(s.lines, at, fmt.Sprintf("# HELP y%d text %d", s.pages, s.r.IntN(3)))
	case 4:
		s.lines = slices.Insert(s.lines, at, fmt.Sprintf("x0{drop=\"%d\"}", s.r.IntN(5)))
	case 5, 6:
		if at < len(s.lines) {
			s.lines = slices.Delete(s.lines, at, min(len(s.lines), at+1+s.r.IntN(3)))
		}
	case 7:
		s.r.Shuffle(len(s.lines), func(i, j int) { s.lines[i], s.lines[j] = s.lines[j], s.lines[i] })
	}
}

// A walk that remembers appends what one without memory appends, and in
// addition the markers of what was there before and is not any more.
func TestMemoryChangesNothing(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	for _, media := range []string{mediaText, mediaOpenMetrics} {
		for seed := range uint64(rounds) {
			s := &scribe{r: rand.New(rand.NewPCG(seed, 9)), om: media == mediaOpenMetrics}
			checkTwins(t, s, media)
			if t.Failed() {
				t.Fatalf("seed %d, %s", seed, media)
			}
		}
	}
}

func checkTwins(t *testing.T, s *scribe, media string) {
	t.Helper()
	cfg := plain()
	cfg.HonorMetadata = s.r.IntN(2) == 0
	clever, dumb := newRecorder(), newRecorder()
	cw, live := newTestWalk(cfg, clever), map[string]bool{}
	for range 30 {
		body := s.next()
		dw := newTestWalk(cfg, dumb)
		dw.t = cw.t
		cw.every = 1 + s.pages%3
		want, tracked := walked(dw, dumb, body, media)
		for series := range live {
			if !tracked[series] {
				want = append(want, series+" stale")
			}
		}
		if s.r.IntN(20) == 0 {
			clever.change()
		}
		got, _ := walked(cw, clever, body, media)
		if cw.damaged > 0 {
			t.Fatalf("body:\n%s: false alarm: %d entries are not wrong", body, cw.damaged)
		}
		live = tracked
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("body:\n%s(-without memory +with):\n%s", body, diff)
		}
	}
	cw.memory.Forget()
	if held := clever.held(); len(held) > 0 || len(clever.faults) > 0 {
		t.Fatalf("held %v, faults %v", held, clever.faults)
	}
}

// walked scrapes body and returns what was appended, and the series that are
// to be marked when they end.
func walked(w *testWalk, r *recorder, body, media string) (lines []string, live map[string]bool) {
	err := w.scrape([]byte(body), media)
	if err != nil || body == "" {
		w.fail()
	}
	if appendErr := w.append(new(Result)); appendErr != nil {
		return []string{appendErr.Error()}, nil
	}
	w.commit(err != nil || body == "")
	for _, l := range r.take() {
		if strings.HasSuffix(l, fmt.Sprintf(" @%d", w.now)) {
			l = l[:strings.LastIndex(l, " @")]
		}
		lines = append(lines, l)
	}
	live = map[string]bool{}
	w.memory.live(func(h telemetry.Handle) { live[r.name(h)] = true })
	return lines, live
}

// Two pages from anywhere: the second gives the same with the memory of the
// first and without.
func FuzzMemory(f *testing.F) {
	f.Add([]byte("x 1\ny 2\n"), []byte("y 1\nx 2\n"), false)
	f.Add([]byte("# TYPE x gauge\nx{a=\"b\"} 1\n"), []byte("x{a=\"b\"} 1\nx{a=\"b\"} 2\nx 3\n"), false)
	f.Add([]byte("foo 1\n"), []byte("foo2 1\nfoo{a=\"1\"} 2\n"), false)
	f.Add([]byte("# TYPE x gauge\nx 1\n# EOF\n"), []byte("# TYPE x gauge\nx 1 2\n# EOF\n"), true)
	f.Add([]byte("x 1\n# EOF\n"), []byte("x 1\n# EOF\nx 1\n"), true)
	f.Add([]byte("x 1\n# EOF\n"), []byte("x 0x1\n# EOF\n"), true)
	f.Fuzz(func(t *testing.T, first, second []byte, om bool) {
		media := mediaText
		if om {
			media = mediaOpenMetrics
		}
		clever, dumb := newRecorder(), newRecorder()
		cw, dw := newTestWalk(plain(), clever), newTestWalk(plain(), dumb)
		cw.every = 1
		_, before := walked(cw, clever, string(first), media)
		dw.t = cw.t
		want, after := walked(dw, dumb, string(second), media)
		if len(cw.memory.stamps)+len(dw.memory.stamps) > 0 {
			return // the memory of timestamps is meant to make a difference
		}
		for series := range before {
			if !after[series] {
				want = append(want, series+" stale")
			}
		}
		got, _ := walked(cw, clever, string(second), media)
		if cw.damaged > 0 {
			t.Fatalf("first:\n%s\nsecond:\n%s: false alarm: %d entries are not wrong", first, second, cw.damaged)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("first:\n%s\nsecond:\n%s\n(-without memory +with):\n%s", first, second, diff)
		}
	})
}
