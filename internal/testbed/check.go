package testbed

import (
	"slices"
	"time"
)

// A Verdict compares what a fleet has answered with what a receiver has got.
type Verdict struct {
	Answered int64    `json:"answered"` // scrapes in the period
	Arrived  int64    `json:"arrived"`  // of those
	Lost     []Scrape `json:"lost"`     // the others, oldest first
}

// Check says what arrived at r of the scrapes that f answered before the given
// time. Recent scrapes may still be on their way: give a time that allows for
// it. It looks at what f remembers, tens of thousands of scrapes per target.
func Check(f *Fleet, r *Receiver, before time.Time) Verdict {
	v := Verdict{Lost: []Scrape{}}
	for n := range f.targets {
		answered := f.Scrapes(n)
		r.mu.Lock()
		for _, s := range answered {
			if !s.Time.Before(before) {
				continue
			}
			v.Answered++
			if r.book.times(s.Target, s.Seq) > 0 {
				v.Arrived++
			} else {
				v.Lost = append(v.Lost, s)
			}
		}
		r.mu.Unlock()
	}
	slices.SortFunc(v.Lost, func(a, b Scrape) int { return a.Time.Compare(b.Time) })
	return v
}
