package roster

import (
	"cmp"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Config is what a Roster knows of its own node, and its timings.
// Zero durations take the defaults.
type Config struct {
	Name     string
	Addr     string
	Instance Instance
	Version  string
	Zone     string
	Config   uint64

	Lead    time.Duration // between an announcement and its date; 5 s
	Measure time.Duration // how long a join waits for the first pulse of every peer; 3 s
	Resend  time.Duration // between two deliveries of an unacknowledged change; 500 ms
	Retain  time.Duration // how long departed lives stay in the View; 1 min
	MaxSkew time.Duration // of our clock to the peers' median; beyond it we do not serve; 1 s
	Quorum  owner.Quorum
}

// defaulted returns c with its zero durations filled in.
func (c Config) defaulted() Config {
	c.Lead = cmp.Or(c.Lead, 5*time.Second)
	c.Measure = cmp.Or(c.Measure, 3*time.Second)
	c.Resend = cmp.Or(c.Resend, 500*time.Millisecond)
	c.Retain = cmp.Or(c.Retain, time.Minute)
	c.MaxSkew = cmp.Or(c.MaxSkew, time.Second)
	return c
}

// A Stage is how far this node is in taking part.
type Stage uint8

// Stages of a node.
const (
	Viewing   Stage = iota // sees the cluster, serves nothing
	Joining                // announced From, which has not come
	Serving                // between From and Until
	Leaving                // announced Until, which has not come
	Left                   // Until has passed
	Fenced                 // withdrew at once; joins again when it may
	Displaced              // another process has this node's name; waits for its end
)

// String returns the stage in one word.
func (s Stage) String() string {
	return [...]string{"viewing", "joining", "serving", "leaving", "left", "fenced", "displaced"}[s]
}

// A Roster is one node's knowledge of the cluster. Make one with New; every
// method takes the wall clock's time.
type Roster struct {
	cfg   Config
	stage Stage
	ready time.Time // since when it can and wants to serve; zero: it does not
	moved bool      // the announced date was moved once

	self    Entry
	lives   map[lifeID]*life
	foreign map[string]owner.Member // participants without our metadata, by name
	actions []Action
	counts  Counts
	changes int // times that something which View answers from has changed
	view    owner.View
	viewed  int // changes when view was made
}

// A lifeID names one life of one node.
type lifeID struct {
	name     string
	instance Instance
}

// A life is a peer's entry and what we have seen of it ourselves.
type life struct {
	Entry
	heard   time.Time     // last proof of life, by our clock
	proof   time.Time     // the same by its own clock: it has asked about the slots until then
	acked   uint32        // the Seq of ours that it has acknowledged
	sent    time.Time     // when our change was last delivered to it
	doubted time.Time     // since when it may be dead; zero: it is not doubted
	asked   time.Time     // when peers were last asked about it
	skew    time.Duration // its clock less ours
	pulsed  bool          // has sent a pulse
	differs time.Time     // since when its digest differs from ours; zero: it does not
	vouched time.Time     // when a peer last said that it can reach it
}

// Counts are events since the start, for metrics.
type Counts struct {
	Transitions  int // dated changes that came into force here, own and others'
	Deaths       int // lives found dead
	FalseDeaths  int // times that this node was found dead while it lived
	Postponed    int // dates that were moved because a peer was missing
	Disagreement int // times that a digest differed for over a second
}

// New returns the roster of a node that has met nobody.
func New(cfg Config) *Roster {
	cfg = cfg.defaulted()
	return &Roster{
		cfg: cfg,
		self: Entry{
			Name: cfg.Name, Addr: cfg.Addr, Instance: cfg.Instance, Seq: 1,
			Version: cfg.Version, Zone: cfg.Zone, Config: cfg.Config,
		},
		lives:   map[lifeID]*life{},
		foreign: map[string]owner.Member{},
		viewed:  -1,
	}
}

// Self returns this node's own entry.
func (r *Roster) Self() Entry { return r.self }

// Stage returns how far this node is in taking part.
func (r *Roster) Stage() Stage { return r.stage }

// Changes rises whenever View has another answer than before.
func (r *Roster) Changes() int { return r.changes }

// Counts returns the events since the start.
func (r *Roster) Counts() Counts { return r.counts }

// Entries returns everything that is known, own entry first, then by name and
// instance.
func (r *Roster) Entries() []Entry {
	list := make([]Entry, 0, len(r.lives)+1)
	list = append(list, r.self)
	for _, l := range r.lives {
		list = append(list, l.Entry)
	}
	slices.SortFunc(list[1:], func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Instance, b.Instance))
	})
	return list
}

// View returns who serves when. Of two lives that claim one name at the same
// time, the one that came first counts.
func (r *Roster) View() owner.View {
	if r.viewed != r.changes {
		r.view, r.viewed = r.makeView(), r.changes
	}
	return r.view
}

func (r *Roster) makeView() owner.View {
	var members []owner.Member
	for _, e := range r.rightful() {
		if m, ok := e.member(); ok {
			members = append(members, m)
		}
	}
	for _, m := range r.foreign {
		members = append(members, m)
	}
	return owner.NewView(members...).WithQuorum(r.cfg.Quorum)
}

// rightful returns the entries without those that lost a conflict of names.
func (r *Roster) rightful() []*Entry {
	list := []*Entry{}
	if r.stage != Displaced {
		list = append(list, &r.self)
	}
	for _, l := range r.lives {
		list = append(list, &l.Entry)
	}
	return slices.DeleteFunc(list, func(e *Entry) bool {
		return slices.ContainsFunc(list, func(o *Entry) bool {
			return o != e && o.Name == e.Name && !o.Down && !e.Down && o.Until.IsZero() && e.Until.IsZero() && o.before(e)
		})
	})
}

// alive returns the lives that have not departed, by name: those who must hear
// of a change.
func (r *Roster) alive(now time.Time) []*life {
	var list []*life
	for _, l := range r.lives {
		if !l.departed(now) {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b *life) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// others reports whether anybody else takes part at now or has said that it
// will.
func (r *Roster) others(now time.Time) bool {
	for _, m := range r.foreign {
		if m.Until.IsZero() {
			return true
		}
	}
	for _, l := range r.lives {
		if !l.From.IsZero() && !l.departed(now) {
			return true
		}
	}
	return false
}

// life returns the youngest living life of a node, or nil.
func (r *Roster) life(name string) *life {
	var best *life
	for _, l := range r.lives {
		if l.Name == name && !l.Down && (best == nil || l.Instance > best.Instance) {
			best = l
		}
	}
	return best
}
