// Package ckit is what nodes of Grafana Alloy's kind tell each other about
// their states, so that they and ours can be in one cluster. It is pure: it
// has the messages, the clock and the rules, and talks to nobody.
//
// A node goes through
//
//	Viewer ──► Participant ──► Terminating
//
// and says so in a Statement with a Lamport time. Statements are gossiped, and
// exchanged as Snapshots in push/pulls. Of two statements about a node the
// later one holds; of two at the same time, the one that was heard first. A
// node has the last word about itself: it answers a later statement, or
// another one of the same time, which an earlier life of it may have made, by
// stating its own state anew.
//
// States is the table of who said what. Each of its methods is a step that
// returns the statements to broadcast. It must be told who is a member, since
// a Snapshot speaks of members only, and nothing is kept about one that left.
//
// Invariant: once no state changes any more and every table has heard, by
// messages or snapshots, in whatever order and however often, what all others
// hold, all tables agree with each node about its state.
// Invariant: a clock never goes back, and is later than everything it heard.
package ckit

import (
	"fmt"
	"maps"
	"slices"
)

// A State says whether a node takes part. The values are those of the wire.
type State int

// The states of a node, in the only order it may go through them.
const (
	Viewer      State = iota // sees the cluster and owns nothing
	Participant              // owns keys
	Terminating              // is going away; owns nothing any more
)

// String returns the state's name as it is in metrics.
func (s State) String() string {
	switch s {
	case Viewer:
		return "viewer"
	case Participant:
		return "participant"
	case Terminating:
		return "terminating"
	}
	return fmt.Sprintf("state %d", int(s))
}

// A Time is a Lamport time: it orders what nodes say, and is no date.
type Time uint64

// A Statement says that a node was in a state at a time.
type Statement struct {
	Node  string // its name
	State State
	Time  Time // 0: nobody has said anything; the state is a guess
}

// A Snapshot is what one node knows: its clock, and a statement about every
// member.
type Snapshot struct {
	Time       Time
	Statements []Statement
}

// A Clock is a node's Lamport clock. The zero Clock is at 0.
type Clock struct{ now Time }

// Now returns the time.
func (c *Clock) Now() Time { return c.now }

// Tick moves the clock on by one and returns the time.
func (c *Clock) Tick() Time {
	c.now++
	return c.now
}

// Observe moves the clock beyond t, unless it is there.
func (c *Clock) Observe(t Time) {
	if t >= c.now {
		c.now = t + 1
	}
}

// maxStrangers is how many nodes that are no members statements are kept of.
// A node's statement may arrive before the news that it joined.
const maxStrangers = 1000

// States is a node's table of what is known of every node, itself included.
// It is used by one goroutine at a time.
type States struct {
	self    string
	clock   Clock
	said    map[string]Statement // the latest, by node
	members map[string]bool      // by name; always with self
}

// NewStates returns the table of a node that is a Viewer and knows nobody.
// The statement about itself is to be broadcast once it has joined.
func NewStates(self string) (*States, Statement) {
	s := &States{self: self, said: map[string]Statement{}, members: map[string]bool{self: true}}
	return s, s.state(Viewer)
}

// Now returns the time of the node's clock.
func (s *States) Now() Time { return s.clock.Now() }

// Of returns the last known state of node; Viewer if nothing is known.
func (s *States) Of(node string) State { return s.said[node].State }

// Count returns the number of members in a state, the node itself included.
func (s *States) Count(state State) int {
	n := 0
	for name := range s.members {
		if s.Of(name) == state {
			n++
		}
	}
	return n
}

// Change moves the node itself to its next state and returns the statement to
// broadcast. It fails, and changes nothing, unless to follows its state.
func (s *States) Change(to State) (Statement, error) {
	if from := s.Of(s.self); to != from+1 || to > Terminating {
		return Statement{}, fmt.Errorf("change state: %s cannot follow %s", to, from)
	}
	return s.state(to), nil
}

// Restart makes the node a Viewer again, as if it had been started anew, and
// returns the statement to broadcast.
func (s *States) Restart() Statement { return s.state(Viewer) }

// Repeat returns the node's own state as a new statement to broadcast, for
// peers that it met just now.
func (s *States) Repeat() Statement { return s.state(s.Of(s.self)) }

// state records the node's own state as of now.
func (s *States) state(as State) Statement {
	st := Statement{Node: s.self, State: as, Time: s.clock.Tick()}
	s.said[s.self] = st
	return st
}

// Join notes that node is a member.
func (s *States) Join(node string) { s.members[node] = true }

// Leave notes that node is no member any more and forgets its state. The node
// itself never leaves its own table.
func (s *States) Leave(node string) {
	if node != s.self {
		delete(s.members, node)
		delete(s.said, node)
	}
}

// Hear takes a statement from a message. If it is news it returns, with true,
// what to broadcast: the statement itself, or an answer to it if it is about
// the node itself.
func (s *States) Hear(st Statement) (Statement, bool) {
	s.clock.Observe(st.Time)
	known, ok := s.said[st.Node]
	switch {
	case st.Node == s.self:
		if st.Time < known.Time || st == known {
			return Statement{}, false
		}
		return s.Repeat(), true
	case ok && st.Time <= known.Time:
		return Statement{}, false
	case !ok && !s.members[st.Node] && len(s.said) >= len(s.members)+maxStrangers:
		return Statement{}, false
	}
	s.said[st.Node] = st
	return st, true
}

// Merge takes a peer's snapshot and returns what to broadcast. Statements
// about nodes that are no members are ignored: they left, or their own
// message is still to come.
func (s *States) Merge(from Snapshot) []Statement {
	s.clock.Observe(from.Time)
	var say []Statement
	for _, st := range from.Statements {
		if !s.members[st.Node] {
			continue
		}
		if news, ok := s.Hear(st); ok {
			say = append(say, news)
		}
	}
	return say
}

// Snapshot returns what the node knows: a statement about each member, by
// name.
func (s *States) Snapshot() Snapshot {
	snap := Snapshot{Time: s.clock.Now()}
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		st := s.said[name]
		st.Node = name
		snap.Statements = append(snap.Statements, st)
	}
	return snap
}
