package scrape

import (
	"sync"
	"time"

	"github.com/divvy-collector/divvy/profiles/scrape/wire"
)

// A source is one type of profile of one target, and what is remembered of it.
type source struct {
	// Guarded by the pool's mu:
	req     *request
	busy    bool // the target is being asked, or a delta follows from its answer
	next    *job // waits until it is not; nil: none does
	working int  // profiles that the target has given and the receivers have not taken yet

	mu   sync.Mutex // guards the fields below
	base wire.Baseline

	// gift is the slot that base was handed over for; zero: it is our own, or
	// that slot was begun here.
	gift time.Time

	// told is set once the former owner has said what there is, and arrived is
	// closed then; nil: nobody waits.
	told    bool
	arrived chan struct{}

	given int    // how often the baseline was given away; what was begun before counts no more
	gap   string // what the next delta says of the time before it; empty: nothing is missing

	last Profile // how the last one went
}

// begin prepares for the profile of a slot. If wait is set another node has the
// baseline, and arrived is closed when it comes; given is as of now.
func (s *source) begin(slot time.Time, wait bool) (given int, arrived chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gift.IsZero() && !s.gift.Equal(slot) {
		s.base, s.told, s.gap = nil, false, "" // somebody else may have used it since
	}
	s.gift = time.Time{}
	if wait && s.base == nil && !s.told && s.req.counters != nil {
		s.arrived = make(chan struct{})
	}
	return s.given, s.arrived
}

// An inheritance is what makes the next delta of a series: the baseline of the
// profile before, and what the delta is to say of the time before that.
type inheritance struct {
	base wire.Baseline // nil: there is none
	gap  string
}

// lend returns what a job makes its delta with; false if the right to make one
// was given away since the job began.
func (s *source) lend(j *job) (x inheritance, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return inheritance{base: s.base, gap: s.gap}, s.given == j.given
}

// What has become of what was lent.
type loan uint8

const (
	returned    loan = iota // the delta counts
	surrendered             // the right to make it was given away meanwhile
	again                   // the baseline has come only now: make it anew
)

// advance makes the next delta follow the one that was made.
func (s *source) advance(j *job, from, to inheritance) loan {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.given != j.given:
		return surrendered
	case from.base == nil && s.base != nil:
		return again
	}
	s.base, s.gap, s.arrived = to.base, to.gap, nil
	return returned
}

// surrender gives away what makes the next delta: it is not ours to make.
func (s *source) surrender() inheritance {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := inheritance{base: s.base, gap: s.gap}
	s.base, s.gift, s.told, s.arrived, s.gap = nil, time.Time{}, false, nil, ""
	s.given++
	return x
}

// pass gives away what was handed over for a slot that has not begun here.
func (s *source) pass(slot time.Time) (x inheritance, ok bool) {
	s.mu.Lock()
	unused := s.gift.Equal(slot) && s.base != nil
	s.mu.Unlock()
	if !unused {
		return x, false
	}
	x = s.surrender()
	return x, x.base != nil
}

// receive takes what was handed over for a slot, or the word that there is
// nothing. What comes too late is of no use. It reports whether it was taken.
func (s *source) receive(slot time.Time, x inheritance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gift.IsZero() && (s.told || s.base != nil) {
		return false
	}
	s.told, s.base, s.gap = true, x.base, x.gap
	if s.gift = slot; s.arrived != nil { // the slot has begun
		close(s.arrived)
		s.arrived, s.gift = nil, time.Time{}
	}
	return x.base != nil
}
