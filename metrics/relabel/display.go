package relabel

import (
	"sync"
	"sync/atomic"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// maxDisplayed bounds the series that a display knows, and so its memory. More
// than these pass in silence.
const maxDisplayed = 20_000

// A display shows the series of samples that pass, before and after the rules,
// to those who watch. It knows nothing while nobody does.
type display struct {
	feed *live.Feed
	on   atomic.Bool // lines is kept

	mu    sync.RWMutex
	lines map[telemetry.Handle]string
}

// begins reports whether the display has been off and somebody watches now: then
// the series are to be resolved again. It forgets everything when it notices that
// nobody does any more.
func (d *display) begins() bool {
	watched := d.feed.Watched()
	if watched == d.on.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if watched == d.on.Load() {
		return false // another goroutine was faster
	}
	d.lines = nil
	if watched {
		d.lines = map[telemetry.Handle]string{}
	}
	d.on.Store(watched)
	return watched
}

// learn notes the series of a handle. When the series ends its line stays: the
// handle is said again only for a series that was learnt with it.
func (d *display) learn(h telemetry.Handle, before, after telemetry.Labels) {
	if !d.on.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.lines[h]; d.lines != nil && (known || len(d.lines) < maxDisplayed) {
		d.lines[h] = before.String() + " => " + after.String()
	}
}

// drop shows a series that the rules drop, when it is resolved: its samples do
// not come here.
func (d *display) drop(before telemetry.Labels) {
	if d.on.Load() {
		d.feed.Say(func() string { return before.String() + " => dropped" })
	}
}

// show shows the series of a batch.
func (d *display) show(b *telemetry.Batch) {
	if !d.on.Load() {
		return
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	say := func(h telemetry.Handle) {
		if line := d.lines[h]; line != "" {
			d.feed.Say(func() string { return line })
		}
	}
	for _, s := range b.Samples {
		say(s.Handle)
	}
	for _, s := range b.Histograms {
		say(s.Handle)
	}
}
