package owner

import (
	"slices"
	"time"
)

// A Quorum is how many members must serve before any of them owns anything.
// The zero Quorum asks for nothing.
type Quorum struct {
	Size     int           // members that are needed; 0 or 1: none but the owner itself
	Patience time.Duration // after so long below Size, serve all the same; 0: never
}

// An edge is an instant from which on count members serve, until the next.
type edge struct {
	at    time.Time
	count int
	since time.Time // since when there have been too few; zero: since ever
	below bool      // there are too few
}

// WithQuorum returns v under q. The deadline after which the members serve
// although they are too few is a date that follows from the windows alone, so
// every node that has the same members comes to the same one.
func (v View) WithQuorum(q Quorum) View {
	v.quorum = q
	v.edges = nil
	if q.Size > 1 {
		v.edges = edgesOf(v.members, q.Size)
	}
	return v
}

// edgesOf returns the instants at which the number of serving members changes,
// ascending, and whether there are fewer than size from then on. Two lives of
// a node that overlap count twice; they do not in a View that is well made.
func edgesOf(members []Member, size int) []edge {
	var changes []edge
	for _, m := range members {
		if !m.Until.IsZero() && !m.From.Before(m.Until) {
			continue
		}
		changes = append(changes, edge{at: m.From, count: 1})
		if !m.Until.IsZero() {
			changes = append(changes, edge{at: m.Until, count: -1})
		}
	}
	slices.SortStableFunc(changes, func(a, b edge) int { return a.at.Compare(b.at) })
	edges := changes[:0]
	last := edge{below: true}
	for i, e := range changes {
		last.at = e.at
		last.count += e.count
		if i+1 < len(changes) && changes[i+1].at.Equal(e.at) {
			continue // more changes at the same instant
		}
		switch enough := last.count >= size; {
		case enough:
			last.since, last.below = time.Time{}, false
		case !last.below || last.since.IsZero():
			last.since, last.below = e.at, true
		}
		edges = append(edges, last)
	}
	return edges
}

// Admits reports whether members own anything at t: there are enough of them,
// or have been too few for longer than the quorum's patience.
func (v View) Admits(t time.Time) bool {
	if v.quorum.Size <= 1 {
		return true
	}
	since, below := v.below(t)
	return !below || v.quorum.Patience > 0 && !since.IsZero() && t.Sub(since) >= v.quorum.Patience
}

// Below returns since when there have been fewer members than the quorum asks
// for at t, or false if there are enough.
func (v View) Below(t time.Time) (since time.Time, below bool) {
	if v.quorum.Size <= 1 {
		return time.Time{}, false
	}
	return v.below(t)
}

// below looks from the latest edge backwards: who asks mostly asks about now.
func (v View) below(t time.Time) (since time.Time, below bool) {
	for i := len(v.edges) - 1; i >= 0; i-- {
		if e := &v.edges[i]; !e.at.After(t) {
			return e.since, e.below
		}
	}
	return time.Time{}, true
}

// Size returns how many members serve at t.
func (v View) Size(t time.Time) int {
	n := 0
	for _, m := range v.members {
		if m.serves(t) {
			n++
		}
	}
	return n
}
