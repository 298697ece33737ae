// Package live lets people see what passes through a component, while it
// passes.
//
// A component says things into its Feed, a line for each; whoever watches the
// feed gets a share of them. While nobody watches, a feed costs the component
// one load of a pointer: lines are made only for somebody who wants them. A
// Flow counts what passes, watched or not.
//
//	component ── Say(line) ──► Feed ──► Watcher ── Take ──► web page
//	          ── Add(n) ─────► Flow ── Count ──► rates of the graph
//
// Invariant: a watcher never holds a component up. What it does not take in
// time is dropped, and counted.
// Invariant: lines hold no line break.
//
// The zero Feed and the zero Flow are ready to use; a nil one is never watched
// and counts nothing. Any number of goroutines may use them.
package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// What may pass through a component. The HTTP API calls it so.
const (
	Metrics  = "prometheus_metric"
	Profiles = "pyroscope_profile"
	Targets  = "target"
)

// A Flow counts what a component passes on: samples, profiles or targets.
type Flow struct{ n atomic.Int64 }

// Add counts n more. It is called once per batch, not once per sample.
func (f *Flow) Add(n int) {
	if f != nil {
		f.n.Add(int64(n))
	}
}

// Count returns how many there were.
func (f *Flow) Count() int64 {
	if f == nil {
		return 0
	}
	return f.n.Load()
}

// A Feed is what one component says.
type Feed struct {
	watchers atomic.Pointer[[]*Watcher] // nil: nobody watches; never changed, but replaced
	greeting atomic.Pointer[func(say func(line string))]

	mu sync.Mutex // held while watchers is replaced
}

// Watched reports whether anybody is watching.
func (f *Feed) Watched() bool { return f != nil && f.watchers.Load() != nil }

// Say gives a line to those who watch, each with the probability that it asked
// for. line is called at most once, and only if somebody gets it.
func (f *Feed) Say(line func() string) {
	if f == nil {
		return
	}
	list := f.watchers.Load()
	if list == nil {
		return
	}
	text, made := "", false
	for _, w := range *list {
		if !w.draws() {
			continue
		}
		if !made {
			text, made = oneLine(line()), true
		}
		w.add(text)
	}
}

// Greet sets what those who begin to watch are told first: the state of a
// component that has something to say only when it changes.
func (f *Feed) Greet(greeting func(say func(line string))) {
	if f != nil {
		f.greeting.Store(&greeting)
	}
}

// Watch returns a new watcher that gets a line with this probability, from 0 to
// 1. It must be closed.
func (f *Feed) Watch(probability float64) *Watcher {
	w := &Watcher{feed: f, probability: probability}
	f.mu.Lock()
	list := []*Watcher{w}
	if old := f.watchers.Load(); old != nil {
		list = append(list, *old...)
	}
	f.watchers.Store(&list)
	f.mu.Unlock()
	if greet := f.greeting.Load(); greet != nil {
		(*greet)(func(line string) {
			if w.draws() {
				w.add(oneLine(line))
			}
		})
	}
	return w
}

// leave takes w off the list.
func (f *Feed) leave(w *Watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.watchers.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(other *Watcher) bool { return other == w })
	if len(list) == 0 {
		f.watchers.Store(nil)
		return
	}
	f.watchers.Store(&list)
}

// What a watcher keeps between two Takes, and of one line.
const (
	maxLines     = 10_000
	maxBytes     = 4 << 20
	maxLineBytes = 64 << 10
)

// A Watcher collects lines of a feed.
type Watcher struct {
	feed        *Feed
	probability float64

	mu    sync.Mutex
	lines []string
	bytes int // of lines
	lost  int
}

// Take returns the lines that came since the last Take, and how many more there
// would have been had they not come too fast.
func (w *Watcher) Take() (lines []string, lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, lost = w.lines, w.lost
	w.lines, w.bytes, w.lost = nil, 0, 0
	return lines, lost
}

// Close ends watching; once more does nothing.
func (w *Watcher) Close() { w.feed.leave(w) }

// draws decides about one line.
func (w *Watcher) draws() bool { return w.probability >= 1 || rand.Float64() < w.probability }

// add keeps a line if there is room.
func (w *Watcher) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == maxLines || w.bytes+len(line) > maxBytes {
		w.lost++
		return
	}
	w.lines = append(w.lines, line)
	w.bytes += len(line)
}

// oneLine returns text as a line that is not too long.
func oneLine(text string) string {
	if len(text) > maxLineBytes {
		text = fmt.Sprintf("%s … and %d more bytes", strings.ToValidUTF8(text[:maxLineBytes], ""), len(text)-maxLineBytes)
	}
	return strings.NewReplacer("\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(text)
}
