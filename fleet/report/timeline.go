package report

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report/words"
)

// Kinds of events.
const (
	eventJoining  = "joining"  // announced when it will begin to serve
	eventJoined   = "joined"   // began to serve
	eventLeaving  = "leaving"  // announced when it will end
	eventLeft     = "left"     // ended as announced
	eventDied     = "died"     // was found dead
	eventFenced   = "fenced"   // withdrew at once: it was stopped, or its clock is wrong
	eventReturned = "returned" // serves again after it died or was fenced
	eventConflict = "conflict" // its name is another process's
	eventReloaded = "reloaded" // runs another configuration
	eventRefused  = "refused"  // was given a configuration that is wrong
)

const (
	maxEvents = 500            // that a node remembers
	maxPast   = 24 * time.Hour // how long windows of members are remembered
	sameTime  = 15 * time.Second
)

// A timeline is what has happened in the cluster as this node saw it. Any
// number of goroutines may use it.
type timeline struct {
	mu     sync.Mutex
	events []Event // oldest first
	peers  []Peer  // when they were last looked at
	looked bool
	view   owner.View              // likewise
	past   map[window]owner.Member // windows of members, also of those that View has forgotten
	memory owner.View              // made of past
}

// A window identifies a member in the past.
type window struct {
	name string
	from int64 // Unix ns
}

// add adds events, and forgets the oldest.
func (t *timeline) add(events ...Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, events...)
	if n := len(t.events) - maxEvents; n > 0 {
		t.events = slices.Clone(t.events[n:])
	}
}

// list returns the events, the oldest first.
func (t *timeline) list() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

// remembered returns a View of all members whose windows are remembered.
func (t *timeline) remembered() owner.View {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.memory
}

// follow compares the peers and the View with those of the last time, and notes
// what has happened since. keys returns those by which moves are counted.
func (t *timeline) follow(self string, peers []Peer, view owner.View, now time.Time, keys func() []owner.Key) {
	t.mu.Lock()
	before, was, first := t.peers, t.view, !t.looked
	t.peers, t.view, t.looked = peers, view, true
	troubled := map[string]bool{} // nodes that died or were fenced
	for _, e := range t.events {
		if e.Kind == eventDied || e.Kind == eventFenced {
			troubled[e.Node] = true
		}
	}
	t.remember(view, now)
	t.mu.Unlock()
	events := compare(before, peers, now)
	if len(events) == 0 {
		return
	}
	known := keys()
	for i := range events {
		e := &events[i]
		e.Seen = self
		if e.Kind == eventJoined && troubled[e.Node] {
			e.Kind = eventReturned
		}
		e.Moved = moved(e, was, view, known)
		if first {
			e.Moved = -1
		}
		e.Text = tell(e)
	}
	t.add(events...)
}

// remember notes the windows of view. One that has vanished without an end ended
// now. It needs mu.
func (t *timeline) remember(view owner.View, now time.Time) {
	past := map[window]owner.Member{}
	for key, m := range t.past {
		if m.Until.IsZero() || m.Until.After(now) {
			m.Until = now
		}
		if now.Sub(m.Until) < maxPast {
			past[key] = m
		}
	}
	for _, m := range view.Members() {
		m.Peer = false
		past[window{m.Name, m.From.UnixNano()}] = m
	}
	t.past = past
	members := make([]owner.Member, 0, len(past))
	for _, m := range past {
		if m.Until.IsZero() || m.From.Before(m.Until) {
			members = append(members, m)
		}
	}
	t.memory = t.memory.With(members...).WithQuorum(view.Quorum())
}

// phase is how far a life is in serving.
type phase uint8

// Phases of a life.
const (
	viewing phase = iota
	joining
	serving
	leaving
	left
	dead
)

// phase returns how far p is at now.
func (p *Peer) phase(now time.Time) phase {
	switch {
	case p.Down:
		return dead
	case p.From.IsZero():
		return viewing
	case !p.Until.IsZero() && !now.Before(p.Until):
		return left
	case now.Before(p.From):
		return joining
	case !p.Until.IsZero():
		return leaving
	}
	return serving
}

// compare returns what has happened to the lives of nodes. Of lives that were
// not known before it tells what they came to.
func compare(before, after []Peer, now time.Time) (events []Event) {
	type life struct{ name, instance string }
	was := map[life]*Peer{}
	for i := range before {
		was[life{before[i].Name, before[i].Instance}] = &before[i]
	}
	for i := range after {
		p := &after[i]
		if p.Foreign {
			continue // what it does has no date
		}
		events = append(events, p.since(was[life{p.Name, p.Instance}], now)...)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events
}

// since returns what has happened to a life since it was as before; nil: it was
// not known.
func (p *Peer) since(before *Peer, now time.Time) (events []Event) {
	add := func(kind string, at, date time.Time) {
		events = append(events, Event{At: at, Node: p.Name, Kind: kind, Date: date})
	}
	was, is := viewing, p.phase(now)
	if before != nil {
		was = before.seen
	}
	p.seen = is
	if p.Displaced && (before == nil || !before.Displaced) {
		add(eventConflict, now, time.Time{})
	}
	began := was < serving
	switch is {
	case viewing:
		if was == serving || was == leaving {
			add(eventFenced, now, time.Time{})
		}
	case joining:
		if was != joining || !before.From.Equal(p.From) {
			add(eventJoining, now, p.From)
		}
	case serving:
		if began {
			add(eventJoined, p.From, p.From)
		}
	case leaving:
		if began {
			add(eventJoined, p.From, p.From)
		}
		if was != leaving || !before.Until.Equal(p.Until) {
			add(eventLeaving, now, p.Until)
		}
	case left:
		if began && p.From.Before(p.Until) {
			add(eventJoined, p.From, p.From)
		}
		if was != left {
			add(eventLeft, p.Until, p.Until)
		}
	case dead:
		if was != dead && (before != nil || !p.From.IsZero()) {
			add(eventDied, p.DownAt, p.DownAt)
		}
	}
	return events
}

// moved counts the keys that an event moves to or from its node.
func moved(e *Event, before, after owner.View, keys []owner.Key) (n int) {
	from, to := after, after
	was, is := e.Date.Add(-time.Millisecond), e.Date
	if e.Date.IsZero() {
		from, was, is = before, e.At, e.At
	}
	for _, key := range keys {
		a, _ := from.Owner(key, was)
		b, _ := to.Owner(key, is)
		if a.Name != b.Name && (a.Name == e.Node || b.Name == e.Node) {
			n++
		}
	}
	return n
}

// tell says in a sentence what happened.
func tell(e *Event) string {
	date := e.Date.Format("15:04:05")
	targets := "targets"
	if e.Moved >= 0 {
		targets = words.Count(e.Moved, "target")
	}
	switch e.Kind {
	case eventJoining:
		return fmt.Sprintf("%s joins at %s and takes over %s", e.Node, date, targets)
	case eventJoined:
		return fmt.Sprintf("%s joined and took over %s", e.Node, targets)
	case eventReturned:
		return fmt.Sprintf("%s is back and took over %s", e.Node, targets)
	case eventLeaving:
		return fmt.Sprintf("%s leaves at %s and hands over %s", e.Node, date, targets)
	case eventLeft:
		return fmt.Sprintf("%s left; others took over %s", e.Node, targets)
	case eventDied:
		return fmt.Sprintf("%s was found dead; others took over %s", e.Node, targets)
	case eventFenced:
		return fmt.Sprintf("%s withdrew: it was stopped, or its clock is wrong; others took over %s", e.Node, targets)
	case eventConflict:
		return fmt.Sprintf("another process has the name %s; this one serves nothing until that one is gone", e.Node)
	}
	return e.Node
}

// mergeEvents makes one list of what several nodes saw, the oldest first. What
// several saw of one thing is one event.
func mergeEvents(lists ...[]Event) []Event {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Kind, b.Kind))
	})
	type subject struct{ node, kind string }
	seen := map[subject][]int{} // indexes into merged
	merged := []Event{}
	for _, e := range all {
		about := subject{e.Node, happening(e.Kind)}
		same := slices.IndexFunc(seen[about], func(i int) bool { return e.same(&merged[i]) })
		if same < 0 {
			seen[about] = append(seen[about], len(merged))
			merged = append(merged, e)
			continue
		}
		if first := &merged[seen[about][same]]; e.Moved > first.Moved {
			first.Moved, first.Text, first.Kind = e.Moved, e.Text, e.Kind
		}
	}
	return merged
}

// happening returns the kind of an event as all nodes see it: not all of them
// remember that a node which joins was there before.
func happening(kind string) string {
	if kind == eventReturned {
		return eventJoined
	}
	return kind
}

// same reports whether two events of one kind about one node are the same. Each
// node dates a death by the last proof of life that it had itself.
func (e *Event) same(other *Event) bool {
	if e.Kind != eventDied && (!e.Date.IsZero() || !other.Date.IsZero()) {
		return e.Date.Equal(other.Date)
	}
	return e.Seen != other.Seen && e.At.Sub(other.At).Abs() < sameTime
}
