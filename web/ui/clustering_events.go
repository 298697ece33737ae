package ui

import (
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
)

const (
	maxEvents = 50        // that the page lists
	maxLanes  = 16        // of the timeline, if nothing happened to some nodes
	mostLanes = 40        // of the timeline, whatever happened
	shown     = time.Hour // of the past, by the timeline
)

// An eventView is one line of the list of what happened.
type eventView struct {
	report.Event
	Tone string // good, busy, bad or dim
}

// Anchor is the ID of the event's line, to which its mark in the timeline leads.
func (e eventView) Anchor() string {
	return fmt.Sprintf("event-%d-%s-%s", e.At.UnixMilli(), e.Kind, e.Node)
}

// MovedWords says how many targets changed hands.
func (e eventView) MovedWords() string {
	switch {
	case e.Moved < 0:
		return ""
	case e.Moved == 0:
		return "none moved"
	default:
		return plural(e.Moved, "target") + " moved"
	}
}

// eventViews returns the latest events, the newest first, and how many there
// are before them.
func eventViews(now time.Time, events []report.Event) (latest []eventView, earlier int) {
	for _, e := range slices.Backward(events) {
		if len(latest) == maxEvents {
			return latest, len(events) - maxEvents
		}
		latest = append(latest, eventView{e, eventTone(e.Kind)})
	}
	return latest, 0
}

// eventTone returns how an event is to be taken.
func eventTone(kind string) string {
	switch kind {
	case "joined", "returned":
		return "good"
	case "died", "fenced", "conflict", "refused":
		return "bad"
	case "joining", "leaving", "left":
		return "busy"
	default:
		return "dim"
	}
}

// A timeline is the last hour as a strip: a lane for each node that something
// happened to or that serves, with a band where it served and a mark for each
// event.
type timeline struct {
	Lanes []lane
	Ticks []string // below the lanes, from the left to the right
	Gone  int      // lanes that are left out
}

// A lane is one node of a timeline. Places are thousandths of the width.
type lane struct {
	Node  string
	Bands []band
	Marks []mark
}

// A band is a time during which a node served.
type band struct{ X, Width int }

// A mark is one event.
type mark struct {
	X     int
	Event eventView
}

// Left is where the part of the strip begins that a pointer can hit.
func (m mark) Left() int { return m.X - 6 }

// newTimeline returns the hour before the report.
func newTimeline(f report.Fleet, events []report.Event) timeline {
	start := f.At.Add(-shown)
	// Nodes that are gone have a lane, too, while the hour knows of them.
	byNode := map[string][]report.Event{}
	for _, e := range events {
		if e.At.After(start) && !e.At.After(f.At) {
			byNode[e.Node] = append(byNode[e.Node], e)
		}
	}
	from := map[string]report.Node{}
	for _, n := range f.Nodes {
		if _, seen := byNode[n.Name]; !seen {
			byNode[n.Name] = nil
		}
		from[n.Name] = n
	}
	t := timeline{Ticks: []string{"60 min ago", "45", "30", "15", "now"}}
	for _, name := range laneOrder(byNode) {
		if len(t.Lanes) == mostLanes {
			break
		}
		t.Lanes = append(t.Lanes, newLane(name, from[name], byNode[name], span{remembered(f, events), f.At}))
	}
	t.Gone = len(byNode) - len(t.Lanes)
	return t
}

// A span is the part of the last hour that is remembered, up to now.
type span struct{ from, now time.Time }

// remembered returns since when the nodes that answered remember what happened,
// or when the timeline begins.
func remembered(f report.Fleet, events []report.Event) time.Time {
	first := f.At
	for _, n := range f.Nodes {
		if n.Started.Before(first) {
			first = n.Started
		}
	}
	if len(events) > 0 && events[0].At.Before(first) {
		first = events[0].At
	}
	if start := f.At.Add(-shown); first.Before(start) {
		return start
	}
	return first
}

// laneOrder returns the names of nodes, or, of too many, first those that
// something happened to.
func laneOrder(byNode map[string][]report.Event) []string {
	var eventful, quiet []string
	for name, events := range byNode {
		if len(events) > 0 || len(byNode) <= maxLanes {
			eventful = append(eventful, name)
		} else {
			quiet = append(quiet, name)
		}
	}
	slices.Sort(eventful)
	slices.Sort(quiet)
	return append(eventful, quiet[:min(len(quiet), max(maxLanes-len(eventful), 0))]...)
}

// newLane draws the events of one node, and its service between them. What it
// did before its first event follows from that event, or from what it says now.
func newLane(name string, n report.Node, events []report.Event, known span) lane {
	start := known.now.Add(-shown)
	place := func(t time.Time) int {
		return min(max(thousandths(float64(t.Sub(start)), float64(shown)), 0), 1000)
	}
	l := lane{Node: name}
	on, off := -1, 0 // where the present band began, and the last one ended
	if servedBefore(n, events, known.from) {
		on = place(known.from)
	}
	for _, e := range events {
		x := place(e.At)
		l.Marks = append(l.Marks, mark{x, eventView{e, eventTone(e.Kind)}})
		switch served, known := servesAfter(e.Kind); {
		case !known:
		case served && on < 0:
			on = x
		case !served && on >= 0:
			l.Bands = append(l.Bands, band{on, x - on})
			on, off = -1, x
		}
	}
	if on < 0 && n.Stage == "serving" && !n.From.IsZero() {
		on = max(place(n.From), off) // nobody has told of it, or not yet
	}
	if on >= 0 {
		l.Bands = append(l.Bands, band{on, 1000 - on})
	}
	return l
}

// servesAfter reports whether a node serves after an event of that kind, and
// whether the kind says anything about that.
func servesAfter(kind string) (serves, known bool) {
	switch kind {
	case "joined", "returned":
		return true, true
	case "left", "died", "fenced":
		return false, true
	default:
		return false, false
	}
}

// servedBefore reports whether a node served at start, before the events.
func servedBefore(n report.Node, events []report.Event, start time.Time) bool {
	for _, e := range events {
		if serves, known := servesAfter(e.Kind); known {
			return !serves
		}
	}
	return n.Stage == "serving" && !n.From.After(start)
}
