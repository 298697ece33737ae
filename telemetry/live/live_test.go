package live

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// say says text.
func say(f *Feed, text string) { f.Say(func() string { return text }) }

// Lines go to those who watch while they are said, and to nobody else.
func TestWatchersGetWhatIsSaidWhileTheyWatch(t *testing.T) {
	var f Feed
	say(&f, "before")
	a := f.Watch(1)
	say(&f, "one")
	b := f.Watch(1)
	say(&f, "two")
	a.Close()
	say(&f, "three")
	b.Close()
	b.Close()
	say(&f, "after")
	check := func(w *Watcher, want ...string) {
		t.Helper()
		if got, lost := w.Take(); !slices.Equal(got, want) || lost != 0 {
			t.Errorf("got %q and lost %d; want %q", got, lost, want)
		}
	}
	check(a, "one", "two")
	check(b, "two", "three")
	check(b)
	if f.Watched() {
		t.Error("watched by nobody")
	}
}

// No line is made for nobody, and one for many.
func TestLinesAreMadeOnceAndOnlyIfWanted(t *testing.T) {
	var f Feed
	made := 0
	line := func() string { made++; return "x" }
	f.Say(line)
	never := f.Watch(0)
	f.Say(line)
	if made != 0 {
		t.Errorf("made %d lines for nobody", made)
	}
	defer f.Watch(1).Close()
	defer f.Watch(1).Close()
	f.Say(line)
	if made != 1 {
		t.Errorf("made %d lines for two watchers", made)
	}
	if got, _ := never.Take(); len(got) != 0 {
		t.Errorf("somebody who wants nothing got %q", got)
	}
}

// A watcher gets about the share that it asked for.
func TestProbabilityIsTheShareOfLines(t *testing.T) {
	var f Feed
	w := f.Watch(0.25)
	const n = 8000
	for range n {
		say(&f, "x")
	}
	if got, _ := w.Take(); len(got) < n/5 || len(got) > n*3/10 {
		t.Errorf("%d of %d lines", len(got), n)
	}
}

// Who does not take loses the newest, and is told how many.
func TestSlowWatcherLosesAndIsTold(t *testing.T) {
	var f Feed
	w := f.Watch(1)
	for i := range maxLines + 7 {
		say(&f, fmt.Sprint(i))
	}
	got, lost := w.Take()
	if len(got) != maxLines || got[maxLines-1] != fmt.Sprint(maxLines-1) || lost != 7 {
		t.Errorf("%d lines, the last %q; lost %d", len(got), got[len(got)-1], lost)
	}
	long := strings.Repeat("x", 1<<20)
	for range 100 {
		say(&f, long)
	}
	got, lost = w.Take()
	if n := len(strings.Join(got, "")); n > maxBytes || len(got)+lost != 100 {
		t.Errorf("%d bytes in %d lines; lost %d", n, len(got), lost)
	}
}

// A line is one line, and no longer than people can read.
func TestLinesHaveNoBreaks(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := oneLine(in); got != want {
			t.Errorf("%q gives %q; want %q", in, got, want)
		}
	}
	f("a\nb\r\nc\rd", `a\nb\nc\nd`)
	f(strings.Repeat("x", maxLineBytes+3), strings.Repeat("x", maxLineBytes)+" … and 3 more bytes")
	f(strings.Repeat("x", maxLineBytes-1)+"é", strings.Repeat("x", maxLineBytes-1)+" … and 1 more bytes")
}

// A newcomer is told first what others have heard before.
func TestNewcomersAreGreeted(t *testing.T) {
	var f Feed
	f.Greet(func(say func(string)) { say("state") })
	w := f.Watch(1)
	say(&f, "news")
	if got, _ := w.Take(); !slices.Equal(got, []string{"state", "news"}) {
		t.Errorf("got %q", got)
	}
}

// What is not there is not watched, and counts nothing.
func TestNothingIsNoFeed(t *testing.T) {
	var f *Feed
	say(f, "x")
	f.Greet(nil)
	var n *Flow
	n.Add(1)
	if f.Watched() || n.Count() != 0 {
		t.Error("nil is watched, or counts")
	}
}

func TestFlowCounts(t *testing.T) {
	var f Flow
	f.Add(2)
	f.Add(3)
	if f.Count() != 5 {
		t.Errorf("counted %d", f.Count())
	}
}

// Watchers come and go while things are said.
func TestWatchersComeAndGo(t *testing.T) {
	var f Feed
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				w := f.Watch(0.5)
				say(&f, "x")
				w.Take()
				w.Close()
			}
		})
	}
	wg.Wait()
	if f.Watched() {
		t.Error("somebody has stayed")
	}
}

// A feed that nobody watches costs next to nothing.
func BenchmarkUnwatched(b *testing.B) {
	var f Feed
	for b.Loop() {
		f.Say(func() string { return "x" })
	}
}
