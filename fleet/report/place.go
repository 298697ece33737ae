package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report/words"
)

// owner returns who scrapes r: who says so, or, of a target that nobody claims,
// the owner by this node's View, if that one could not be asked. "" is nobody.
func (t *table) owner(r *row) string {
	if len(r.owners) > 0 {
		return r.owners[0]
	}
	m, ok := r.Target.Owner(t.view, nextSlot(&r.Target, t.at))
	if ok && r.Clustered && slices.ContainsFunc(t.silent, func(s Silent) bool { return s.Name == m.Name }) {
		return m.Name
	}
	return ""
}

// placement returns all that is known of r.
func (t *table) placement(r *row) Placement {
	p := Placement{Target: r.Target, Owner: t.owner(r), Known: nonNil(r.known), Next: nextSlot(&r.Target, t.at)}
	if len(r.owners) > 1 {
		p.Owners = r.owners
	}
	if r.Clustered {
		p.Since, p.Previous = t.history.since(t.view.RingKey(r.Key, r.Foreign, t.at), p.Owner, t.at)
	}
	p.Why = t.why(r, &p)
	return p
}

// why says in a sentence why that node scrapes r.
func (t *table) why(r *row, p *Placement) string {
	if !r.Clustered {
		return "not clustered: every node scrapes it"
	}
	size := t.view.Size(t.at)
	m, ok := r.Target.Owner(t.view, p.Next)
	switch {
	case !ok && t.view.Quorum().Size > 1:
		return fmt.Sprintf("fewer than %d members: nobody serves", t.view.Quorum().Size)
	case !ok:
		return "nobody serves yet"
	case len(r.owners) > 1:
		return fmt.Sprintf("%s all scrape it: they do not agree on who is in the cluster", words.List(r.owners))
	case p.Owner == "":
		return fmt.Sprintf("%s is to scrape it and does not know it", m.Name)
	}
	why := fmt.Sprintf("first of %d nodes clockwise from its key on the ring", size)
	if size == 1 {
		why = "the only node that serves"
	}
	if cause := t.history.cause(p.Since, p.Previous, p.Owner, t.at); cause != "" {
		why = cause
	}
	return why + t.next(r, p)
}

// next says who scrapes r after a change that is announced.
func (t *table) next(r *row, p *Placement) string {
	for _, date := range edges(t.view) {
		if !date.After(p.Next) {
			continue
		}
		if m, ok := r.Target.Owner(t.view, date); ok && m.Name != p.Owner {
			return fmt.Sprintf("; %s takes it over at %s", m.Name, date.Format("15:04:05"))
		}
	}
	return ""
}

// A history is who has owned what.
type history struct {
	view   owner.View // of all members that are remembered
	events []Event
	edges  []time.Time // of view, ascending
}

// newHistory returns what t remembers.
func newHistory(t *timeline) history {
	h := history{view: t.remembered(), events: t.list()}
	h.edges = edges(h.view)
	return h
}

// edges returns the dates at which owners change, ascending.
func edges(view owner.View) (dates []time.Time) {
	for _, m := range view.Members() {
		for _, d := range []time.Time{m.From, m.Until} {
			if !d.IsZero() {
				dates = append(dates, d)
			}
		}
	}
	slices.SortFunc(dates, time.Time.Compare)
	return slices.CompactFunc(dates, time.Time.Equal)
}

// since returns since when a node has owned a key, and who owned it before; ""
// if nobody did or it is not remembered.
func (h *history) since(key owner.Key, self string, now time.Time) (since time.Time, previous string) {
	for _, date := range slices.Backward(h.edges) {
		if date.After(now) {
			continue
		}
		if m, ok := h.view.Owner(key, date); !ok || m.Name != self {
			return since, previous // there the View was another one
		}
		since = date
		if m, ok := h.view.Owner(key, date.Add(-time.Millisecond)); ok && m.Name != self {
			return since, m.Name
		}
	}
	return since, ""
}

// lately is how long a change is the reason why a node owns something.
const lately = time.Hour

// cause says what made a node the owner of something, if that was lately.
func (h *history) cause(since time.Time, previous, self string, now time.Time) string {
	if since.IsZero() || previous == "" || now.Sub(since) > lately {
		return ""
	}
	for _, e := range slices.Backward(h.events) {
		if !e.Date.Equal(since) && e.At.Sub(since).Abs() > time.Second {
			continue
		}
		at := since.Format("15:04:05")
		switch {
		case e.Node == self && happening(e.Kind) == eventJoined:
			return fmt.Sprintf("%s joined %s and is first on the ring; %s was before", self, at, previous)
		case e.Node == previous && e.Kind == eventLeft:
			return fmt.Sprintf("%s left %s, %s is next on the ring", previous, at, self)
		case e.Node == previous && e.Kind == eventDied:
			return fmt.Sprintf("%s died %s, %s is next on the ring", previous, at, self)
		case e.Node == previous && e.Kind == eventFenced:
			return fmt.Sprintf("%s withdrew %s, %s is next on the ring", previous, at, self)
		}
	}
	return ""
}
