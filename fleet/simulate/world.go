package simulate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// start is when a simulation begins. Slots are instants of the wall clock, so it
// has to be some time; which one decides what slots fall next to an event.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// minGap is how far the next slot must be for an heir to catch up the one
// before it.
const minGap = 250 * time.Millisecond

// maxAt is how late an event may be.
const maxAt = 24 * time.Hour

// A world is the lives of nodes and what is known of them when.
//
//	editions   |── view 0 ──|── view 1 ──|── view 2 ──►
//	           start        announcement, or a death is known
//
// Every living node has the edition of the moment: announcements arrive well
// before their dates, and a death is known to all at about the same time.
type world struct {
	cfg      *Config
	lives    []*life
	editions []edition
	settled  []time.Time // when each event is over
}

// A life is a node from a join to its end.
type life struct {
	owner.Member           // as announced
	gone         time.Time // when it died; zero: it did not
	cause        int       // index of the event that it died by
}

// An edition is what every node knows from some time on.
type edition struct {
	at   time.Time
	view owner.View
}

// A fact is a member's window, and when everybody knows it.
type fact struct {
	at     time.Time
	life   *life
	window owner.Member
}

// newWorld plays the events. It refuses those that cannot happen.
func newWorld(cfg *Config) (*world, error) {
	w := &world{cfg: cfg}
	var facts []fact
	for _, n := range cfg.Nodes {
		l := &life{Member: owner.Member{Name: n.Name}}
		w.lives = append(w.lives, l)
		facts = append(facts, fact{start, l, l.Member})
	}
	var errs []error
	for i, e := range cfg.Events {
		f, err := w.happen(i, e)
		if err != nil {
			errs = append(errs, fmt.Errorf("event %q: %w", fmt.Sprintf("%s:%s %s", e.At, e.Do, e.Node), err))
			continue
		}
		facts = append(facts, f)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	w.publish(facts)
	return w, nil
}

// happen does one event and returns what becomes known by it.
func (w *world) happen(i int, e Event) (fact, error) {
	at := start.Add(e.At)
	l := w.life(e.Node, at)
	switch {
	case e.At < 0:
		return fact{}, errors.New("lies before the start")
	case e.At > maxAt:
		return fact{}, fmt.Errorf("lies more than %s after the start", maxAt)
	case e.Do == Join && l != nil:
		return fact{}, fmt.Errorf("%s is there already", e.Node)
	case e.Do != Join && l == nil:
		return fact{}, fmt.Errorf("%s is not there", e.Node)
	case e.Do == Leave && !l.Until.IsZero():
		return fact{}, fmt.Errorf("%s is leaving already", e.Node)
	}
	t := w.cfg.Timings
	switch e.Do {
	case Join:
		l = &life{Member: owner.Member{Name: e.Node, From: at.Add(w.lead(nil, at))}}
		w.lives = append(w.lives, l)
		return w.settle(l.From, fact{at, l, l.Member}), nil
	case Leave:
		if l.Until = at.Add(w.lead(l, at)); l.From.After(at) {
			l.Until = l.From // it has not begun, and will not
		}
		return w.settle(l.Until, fact{at, l, l.Member}), nil
	case Kill:
		return w.die(l, i, at, t.Killed), nil
	case Vanish:
		return w.die(l, i, at, t.Vanished), nil
	}
	return fact{}, fmt.Errorf("%q is none of join, leave, kill, vanish, restart", e.Do)
}

// die ends a life at once. Others know after a while, and then take the last
// proof of life for its end.
func (w *world) die(l *life, event int, at time.Time, after time.Duration) fact {
	l.gone, l.cause = at, event
	window := l.Member
	if end := at.Add(-w.cfg.Timings.Proof); window.Until.IsZero() || end.Before(window.Until) {
		window.Until = end
	}
	return w.settle(at.Add(after), fact{at.Add(after), l, window})
}

// settle notes when the event that led to f is over.
func (w *world) settle(at time.Time, f fact) fact {
	w.settled = append(w.settled, at)
	return f
}

// lead returns how far ahead self announces a date at at: not at all if nobody
// else takes part.
func (w *world) lead(self *life, at time.Time) time.Duration {
	if w.others(self, at) {
		return w.cfg.Timings.Lead
	}
	return 0
}

// others reports whether anybody lives at at, but for self.
func (w *world) others(self *life, at time.Time) bool {
	return slices.ContainsFunc(w.lives, func(l *life) bool { return l != self && l.alive(at) })
}

// life returns the life that a node leads at at, or nil.
func (w *world) life(name string, at time.Time) *life {
	for _, l := range w.lives {
		if l.Name == name && l.alive(at) {
			return l
		}
	}
	return nil
}

// alive reports whether the life's process is there at at.
func (l *life) alive(at time.Time) bool {
	return (l.gone.IsZero() || at.Before(l.gone)) && (l.Until.IsZero() || at.Before(l.Until))
}

// publish makes the editions of what becomes known.
func (w *world) publish(facts []fact) {
	slices.SortStableFunc(facts, func(a, b fact) int { return a.at.Compare(b.at) })
	var view owner.View
	known := map[*life]owner.Member{}
	for i, f := range facts {
		known[f.life] = f.window
		if i+1 < len(facts) && facts[i+1].at.Equal(f.at) {
			continue
		}
		var members []owner.Member
		for _, l := range w.lives {
			if m, ok := known[l]; ok && (m.Until.IsZero() || m.From.Before(m.Until)) {
				members = append(members, m)
			}
		}
		view = view.With(members...)
		w.editions = append(w.editions, edition{f.at, view})
	}
}

// find returns the life of a member of a View.
func (w *world) find(m owner.Member) *life {
	i := slices.IndexFunc(w.lives, func(l *life) bool { return l.Name == m.Name && l.From.Equal(m.From) })
	if i < 0 {
		panic("BUG: a View has a member that never lived")
	}
	return w.lives[i]
}

// edition returns the index of the edition of a moment.
func (w *world) edition(at time.Time) int {
	i, found := slices.BinarySearchFunc(w.editions, at, func(e edition, at time.Time) int { return e.at.Compare(at) })
	if !found {
		i--
	}
	return max(i, 0)
}

// A span is a stretch of time in which slots can go wrong.
type span struct{ from, to time.Time }

// spans returns when slots can go wrong, in order and apart from each other:
// around each event, and while nobody serves.
func (w *world) spans() []span {
	var list []span
	for i, e := range w.cfg.Events {
		from := start.Add(e.At - w.cfg.Timings.Proof)
		list = append(list, span{from, w.served(w.settled[i])})
	}
	slices.SortFunc(list, func(a, b span) int { return a.from.Compare(b.from) })
	apart := list[:0]
	for _, s := range list {
		if n := len(apart); n > 0 && !s.from.After(apart[n-1].to) {
			if s.to.After(apart[n-1].to) {
				apart[n-1].to = s.to
			}
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// served returns the first time from at on at which anybody serves; at itself
// if nobody ever does.
func (w *world) served(at time.Time) time.Time {
	var next time.Time
	for _, l := range w.lives {
		switch {
		case l.From.After(at) && (next.IsZero() || l.From.Before(next)):
			next = l.From
		case !l.From.After(at) && l.alive(at):
			return at
		}
	}
	if next.IsZero() {
		return at
	}
	return next
}
