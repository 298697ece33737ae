package testbed

import (
	"slices"
	"time"
)

// Slots says how the slots of a fleet were served. A slot is the instant, once
// in every interval, at which a target is due.
type Slots struct {
	Served int64         // slots with a scrape
	Slips  []Slip        // by target, oldest first
	Hole   time.Duration // longest time between two scrapes of a target, or since its last one
}

// A Slip is a slot that was not served by exactly one scrape.
type Slip struct {
	Target  string
	Slot    time.Time
	Scrapes int      // 0: it was missed; otherwise it was served more than once
	By      []string // who made the scrape before it, then who made those
}

// CheckSlots looks at what f remembers and says how the slots were served that
// were over before the given time. A target's first scrape is its first slot:
// what was due before is not known, nor is a target that was never scraped.
//
// Nothing is asked but the targets themselves. Where in the interval a slot
// is, the first scrapes show.
func CheckSlots(f *Fleet, interval time.Duration, before time.Time) Slots {
	var s Slots
	for n := range f.targets {
		s.Enter(f.Scrapes(n), interval, before)
	}
	return s
}

// Enter adds what one target saw until the given time, for targets that are not
// all there from beginning to end. It sorts the scrapes.
func (s *Slots) Enter(scrapes []Scrape, interval time.Duration, before time.Time) {
	if len(scrapes) == 0 {
		return
	}
	slices.SortFunc(scrapes, func(a, b Scrape) int { return a.Time.Compare(b.Time) })
	g := findGrid(scrapes, interval)
	last := scrapes[0]
	var by []string
	for k := g.number(last.Time); g.over(k).Before(before); k++ {
		by = append(by[:0], last.By)
		for len(scrapes) > 0 && g.number(scrapes[0].Time) <= k {
			s.Hole = max(s.Hole, scrapes[0].Time.Sub(last.Time))
			last, scrapes = scrapes[0], scrapes[1:]
			by = append(by, last.By)
		}
		if len(by) > 1 {
			s.Served++
		}
		if len(by) != 2 {
			s.Slips = append(s.Slips, Slip{last.Target, g.slot(k), len(by) - 1, slices.Clone(by)})
		}
	}
	if len(scrapes) == 0 {
		s.Hole = max(s.Hole, before.Sub(last.Time))
	}
}

// A grid is where the slots of a target are: every interval from anchor on,
// which is number 0.
//
//	slot k                                             slot k+1
//	───┼──────────────────────────────────────────┬───────┼───
//	   ├─ late, but of this slot ─────────────────┤ early ┤
type grid struct {
	anchor   time.Time
	interval time.Duration
}

// findGrid returns the grid that most of the first scrapes lie on.
func findGrid(scrapes []Scrape, interval time.Duration) grid {
	const enough = 15
	g := grid{scrapes[0].Time, interval}
	var off []time.Duration
	for _, s := range scrapes[:min(enough, len(scrapes))] {
		off = append(off, (s.Time.Sub(g.anchor)+interval/2)%interval-interval/2)
	}
	slices.Sort(off)
	g.anchor = g.anchor.Add(off[(len(off)-1)/2])
	return g
}

// early is how much before its slot a scrape may come in: a quarter of the
// interval. That the slots were not found exactly is part of it.
func (g grid) early() time.Duration { return g.interval / 4 }

// number returns the slot that a scrape at t is of.
func (g grid) number(t time.Time) int64 {
	since := t.Sub(g.anchor) + g.early()
	if since < 0 { // the anchor is in the middle of the first scrapes: one or two may be before it
		since -= g.interval - 1
	}
	return int64(since / g.interval)
}

// slot returns when slot k is.
func (g grid) slot(k int64) time.Time { return g.anchor.Add(time.Duration(k) * g.interval) }

// over returns the time from which on no scrape is of slot k any more.
func (g grid) over(k int64) time.Time { return g.slot(k + 1).Add(-g.early()) }
