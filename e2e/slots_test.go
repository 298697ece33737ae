package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	// slotEvery is the scrape interval of a cluster's targets.
	slotEvery = 5 * time.Second

	// slotEarly and slotLate are how far from its slot a scrape may come in:
	// clocks of one machine differ by nothing, and sharing two cores with other
	// tests costs some.
	slotEarly = 50 * time.Millisecond
	slotLate  = time.Second
)

// A visit is one scrape as its target saw it come in.
type visit struct {
	at   time.Time
	node string // what the header X-Node says; empty: it is missing
}

// visits books every scrape of a fleet, answered or not.
type visits struct {
	mu     sync.Mutex
	byPath map[string][]visit // ascending by at
}

// book returns a handler that books each request and passes it on.
func (v *visits) book(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		if v.byPath == nil {
			v.byPath = map[string][]visit{}
		}
		v.byPath[r.URL.Path] = append(v.byPath[r.URL.Path], visit{time.Now(), r.Header.Get("X-Node")})
		v.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// at returns the visits of a target so far.
func (v *visits) at(path string) []visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.byPath[path])
}

// A slot is what a target saw in one of its slots.
type slot struct {
	target string // t0007
	at     time.Time
	seen   []visit
}

// What is wrong with a slot, at most one of these.
func (s slot) missed() bool  { return len(s.seen) == 0 }
func (s slot) doubled() bool { return len(s.seen) > 1 }
func (s slot) late() bool    { return len(s.seen) == 1 && s.seen[0].at.Sub(s.at) > slotLate }

func (s slot) String() string {
	text := fmt.Sprintf("%s at %s", s.target, s.at.Format("15:04:05.000"))
	for _, v := range s.seen {
		text += fmt.Sprintf(" %s+%s", v.node, v.at.Sub(s.at).Round(time.Millisecond))
	}
	return text
}

// A tally is how the slots of a period went.
type tally struct {
	slots                  int
	missed, doubled, late  []slot
	hole                   time.Duration // longest time between two scrapes of a target
	holeTarget             string
	spoiled                map[string]int // missed and late slots by target
	firstAt, lastDoubledAt time.Time
}

// tally counts the slots that begin in (from, to-slotLate], and the holes that
// end after from, looking at the visits that ok accepts.
func (w *world) tally(from, to time.Time, ok func(visit) bool) tally {
	t := tally{spoiled: map[string]int{}, firstAt: from}
	for _, g := range w.fleet.Groups(w.targets.Addr()) {
		name, path := g.Labels["instance"], g.Labels["__metrics_path__"]
		seen := slices.DeleteFunc(w.visits.at(path), func(v visit) bool { return v.at.After(to) || !ok(v) })
		key := owner.TargetKey(labels.FromStrings("__address__", g.Targets[0], "__metrics_path__", path, "instance", name))
		for at := owner.NextSlot(key, slotEvery, from); !at.Add(slotLate).After(to); at = at.Add(slotEvery) {
			t.enter(slot{name, at, within(seen, at.Add(-slotEarly), at.Add(slotEvery-slotEarly))})
		}
		t.enterHoles(name, seen, from, to)
	}
	return t
}

// within returns the visits in [from, to).
func within(seen []visit, from, to time.Time) (some []visit) {
	for _, v := range seen {
		if !v.at.Before(from) && v.at.Before(to) {
			some = append(some, v)
		}
	}
	return some
}

func (t *tally) enter(s slot) {
	t.slots++
	switch {
	case s.missed():
		t.missed = append(t.missed, s)
		t.spoiled[s.target]++
	case s.doubled():
		t.doubled = append(t.doubled, s)
		if last := s.seen[len(s.seen)-1].at; last.After(t.lastDoubledAt) {
			t.lastDoubledAt = last
		}
	case s.late():
		t.late = append(t.late, s)
		t.spoiled[s.target]++
	}
}

// enterHoles looks for the longest time without a visit that ends in (from, to].
func (t *tally) enterHoles(target string, seen []visit, from, to time.Time) {
	last := from
	for _, v := range append(seen, visit{at: to}) {
		if hole := v.at.Sub(last); v.at.After(from) && hole > t.hole {
			t.hole, t.holeTarget = hole, target
		}
		last = v.at
	}
}

func (t tally) String() string {
	return fmt.Sprintf("%d slots: %d missed, %d doubled, %d late, longest hole %s (%s)",
		t.slots, len(t.missed), len(t.doubled), len(t.late), t.hole.Round(10*time.Millisecond), t.holeTarget)
}

// list names the first few of some slots.
func list(slots []slot) string {
	var b strings.Builder
	for _, s := range slots[:min(len(slots), 8)] {
		b.WriteString("\n\t" + s.String())
	}
	if more := len(slots) - 8; more > 0 {
		fmt.Fprintf(&b, "\n\tand %d more", more)
	}
	return b.String()
}

// only returns the slots of targets that ok accepts.
func only(slots []slot, ok func(target string) bool) []slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s slot) bool { return !ok(s.target) })
}

// anybody accepts every visit.
func anybody(visit) bool { return true }
