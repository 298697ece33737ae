package owner

import (
	"cmp"
	"slices"
	"time"
)

// A View is who takes part in the cluster, and when. It is an immutable value;
// a change makes another View. The zero View has no members and no owners.
//
// A node that restarted under its name may have two members in a View, the old
// process and the new one; they have the same tokens and different windows.
type View struct {
	members []Member // by name, then From
	lives   []int    // lives[n]: index of the first member with the n-th name; one more at the end
	foreign []int    // indexes of the members that are Foreign
	ring    *ring
	quorum  Quorum
	edges   []edge // of the number of serving members; only with a quorum
}

// A Member is one node during one life of its process.
type Member struct {
	Name  string    // unique in the cluster
	From  time.Time // serves slots at or after From; zero: since ever
	Until time.Time // serves slots before Until; zero: no end is known
	Peer  bool      // another process than the one whose View this is, even if it has its name

	Foreign bool // of other software: it knows some targets by other keys
}

// Alone returns the View of a node that is a cluster of one.
func Alone(name string) View { return NewView(Member{Name: name}) }

// NewView returns the View of members, in any order. Its ring is the one
// that Grafana Alloy's nodes compute from the same names.
func NewView(members ...Member) View { return View{}.With(members...) }

// With returns the View of members, in any order, under v's quorum. Where the
// names are v's, it takes v's ring over, so that a change of dates costs next
// to nothing.
func (v View) With(members ...Member) View {
	w := View{members: slices.Clone(members)}
	slices.SortFunc(w.members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.From.Compare(b.From))
	})
	var names []string
	for i, m := range w.members {
		if len(names) == 0 || names[len(names)-1] != m.Name {
			names = append(names, m.Name)
			w.lives = append(w.lives, i)
		}
		if m.Foreign {
			w.foreign = append(w.foreign, i)
		}
	}
	w.lives = append(w.lives, len(w.members))
	if w.ring = v.ring; v.ring == nil || !slices.Equal(names, v.names()) {
		w.ring = newRing(names)
	}
	return w.WithQuorum(v.quorum)
}

// names returns the distinct names of the members.
func (v View) names() []string {
	var names []string
	for _, first := range v.lives[:max(len(v.lives)-1, 0)] {
		names = append(names, v.members[first].Name)
	}
	return names
}

// Members returns the members, by name and then by From. The slice is the
// View's own.
func (v View) Members() []Member { return v.members }

// Owner returns the member that serves key's slot at t, or false if nobody
// does: clockwise from key, the first whose window contains t. So a member
// that comes or goes takes or leaves its own keys and moves no other.
func (v View) Owner(key Key, t time.Time) (Member, bool) {
	if len(v.members) == 0 || !v.Admits(t) {
		return Member{}, false
	}
	first := v.ring.successor(key)
	for i := range v.ring.tokens {
		at := first + i
		if at >= len(v.ring.tokens) {
			at -= len(v.ring.tokens)
		}
		name := v.ring.names[at]
		for _, m := range v.members[v.lives[name]:v.lives[name+1]] {
			if m.serves(t) {
				return m, true
			}
		}
	}
	return Member{}, false
}

// serves reports whether t is in the member's window.
func (m Member) serves(t time.Time) bool {
	return !t.Before(m.From) && (m.Until.IsZero() || t.Before(m.Until))
}
