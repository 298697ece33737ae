package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/testbed"
)

const (
	// slotEvery is the scrape interval of a cluster's targets.
	slotEvery = 5 * time.Second

	// slotEarly and slotLate are how far from its slot a scrape may come in:
	// clocks of one machine differ by nothing, and sharing two cores with other
	// tests costs some.
	slotEarly = 50 * time.Millisecond
	slotLate  = time.Second
)

// A slot is what a target saw in one of its slots.
type slot struct {
	target string // t0007
	at     time.Time
	seen   []testbed.Scrape
}

// What is wrong with a slot, at most one of these.
func (s slot) missed() bool  { return len(s.seen) == 0 }
func (s slot) doubled() bool { return len(s.seen) > 1 }
func (s slot) late() bool    { return len(s.seen) == 1 && s.seen[0].Time.Sub(s.at) > slotLate }

func (s slot) String() string {
	text := fmt.Sprintf("%s at %s", s.target, s.at.Format("15:04:05.000"))
	for _, v := range s.seen {
		text += fmt.Sprintf(" %s+%s", v.By, v.Time.Sub(s.at).Round(time.Millisecond))
	}
	return text
}

// A tally is how the slots of a period went.
type tally struct {
	slots                 int
	missed, doubled, late []slot
	hole                  time.Duration // longest time between two scrapes of a target
	holeTarget            string
	spoiled               map[string]int // missed and late slots by target
	lastDoubledAt         time.Time
}

// tally counts the slots that begin in (from, to-slotLate], and the holes that
// end after from, looking at the scrapes that ok accepts.
func (w *world) tally(from, to time.Time, ok func(testbed.Scrape) bool) tally {
	t := tally{spoiled: map[string]int{}}
	for n, g := range w.fleet.Groups(w.targets.Addr()) {
		name, path := g.Labels["instance"], g.Labels["__metrics_path__"]
		seen := slices.DeleteFunc(w.fleet.Scrapes(n), func(s testbed.Scrape) bool { return s.Time.After(to) || !ok(s) })
		key := owner.TargetKey(labels.FromStrings("__address__", g.Targets[0], "__metrics_path__", path, "instance", name))
		for at := owner.NextSlot(key, slotEvery, from); !at.Add(slotLate).After(to); at = at.Add(slotEvery) {
			t.enter(slot{name, at, within(seen, at.Add(-slotEarly), at.Add(slotEvery-slotEarly))})
		}
		t.enterHoles(name, seen, from, to)
	}
	return t
}

// within returns the scrapes in [from, to).
func within(seen []testbed.Scrape, from, to time.Time) (some []testbed.Scrape) {
	for _, s := range seen {
		if !s.Time.Before(from) && s.Time.Before(to) {
			some = append(some, s)
		}
	}
	return some
}

func (t *tally) enter(s slot) {
	t.slots++
	switch {
	case s.missed():
		t.missed = append(t.missed, s)
		t.spoiled[s.target]++
	case s.doubled():
		t.doubled = append(t.doubled, s)
		if last := s.seen[len(s.seen)-1].Time; last.After(t.lastDoubledAt) {
			t.lastDoubledAt = last
		}
	case s.late():
		t.late = append(t.late, s)
		t.spoiled[s.target]++
	}
}

// enterHoles looks for the longest time without a scrape that ends in (from, to].
func (t *tally) enterHoles(target string, seen []testbed.Scrape, from, to time.Time) {
	last := from
	for _, s := range append(seen, testbed.Scrape{Time: to}) {
		if hole := s.Time.Sub(last); s.Time.After(from) && hole > t.hole {
			t.hole, t.holeTarget = hole, target
		}
		last = s.Time
	}
}

func (t tally) String() string {
	return fmt.Sprintf("%d slots: %d missed, %d doubled, %d late, longest hole %s (%s)",
		t.slots, len(t.missed), len(t.doubled), len(t.late), t.hole.Round(10*time.Millisecond), t.holeTarget)
}

// list names the first few of some slots.
func list(slots []slot) string {
	var b strings.Builder
	for _, s := range slots[:min(len(slots), 8)] {
		b.WriteString("\n\t" + s.String())
	}
	if more := len(slots) - 8; more > 0 {
		fmt.Fprintf(&b, "\n\tand %d more", more)
	}
	return b.String()
}

// anybody accepts every scrape.
func anybody(testbed.Scrape) bool { return true }
