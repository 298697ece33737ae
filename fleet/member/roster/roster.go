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
	Measure time.Duration // how long a join waits until every peer's clock is known; 3 s
	Resend  time.Duration // between two deliveries of an unacknowledged change; 500 ms
	Silence time.Duration // of a watched peer that makes it seem dead; 2.5 s
	Retain  time.Duration // how long departed lives stay in the View; 1 min
	MaxSkew time.Duration // of our clock to the peers' median; beyond it we do not serve; 1 s
	Quorum  owner.Quorum
}

// defaulted returns c with its zero durations filled in.
func (c Config) defaulted() Config {
	c.Lead = cmp.Or(c.Lead, 5*time.Second)
	c.Measure = cmp.Or(c.Measure, 3*time.Second)
	c.Resend = cmp.Or(c.Resend, 500*time.Millisecond)
	c.Silence = cmp.Or(c.Silence, 2500*time.Millisecond)
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

// MarshalText returns the name: JSON would show the number.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Bounds on what a peer can make us remember.
const (
	maxLives     = 10_000
	maxNamesakes = 100 // lives of one node; one that dies as soon as it starts has many
)

// A Roster is one node's knowledge of the cluster. Make one with New; every
// method takes the wall clock's time.
type Roster struct {
	cfg     Config
	stage   Stage
	ready   time.Time // since when it can and wants to serve; zero: it does not
	moved   bool      // the announced date was moved once
	refused time.Time // when somebody last said that our name is taken
	ticked  time.Time // when Tick was last called
	fenced  time.Time // since when it is fenced and does not serve again; zero: it is not
	agreed  time.Time // when no digest was known to differ; zero: never yet

	self    Entry
	lives   []*life                 // of everybody else, by name, then instance
	graves  []grave                 // of those that View has forgotten, the oldest first
	foreign map[string]owner.Member // participants without our metadata, by name
	actions []Action
	deaths  []Death
	counts  Counts
	coming  dates     // that are to be counted
	swept   time.Time // when what departed was last dropped
	chosen  dates     // when whom to watch was last decided
	watched []*life   // that are to be watched, by name
	changes int       // times that something which View answers from has changed
	view    owner.View
	viewed  int // changes when view was made
	digest  digest
}

// A life is a peer's entry and what we have seen of it ourselves.
type life struct {
	Entry
	met     time.Time // when we first heard of it
	heard   time.Time // last proof of life, by our clock
	proof   time.Time // the same by its own clock: it has asked about the slots until then
	watched time.Time // since when we keep a lifeline to it; zero: we do not
	acked   uint32    // the Seq of ours that it has acknowledged
	sent    time.Time // when our change was last delivered to it

	doubt   doubt
	skew    time.Duration // its clock less ours
	rtt     time.Duration // of the round trip that told skew
	timed   time.Time     // when skew was found; zero: never
	differs time.Time     // since when its digest differs from ours; zero: it does not
	synced  time.Time     // when entries were last exchanged for that
}

// A doubt is the question whether a life is over.
type doubt struct {
	since     time.Time // zero: there is none
	asked     time.Time // when peers were last asked; zero: not yet
	vouched   time.Time // when a peer last said that it can reach it
	asking    int       // peers asked in this round
	unreached int       // those of them who could not reach it
}

// Counts are events since the start, for metrics.
type Counts struct {
	Transitions  int           // dates that came into force, own and others'
	Deaths       int           // lives found dead
	FalseDeaths  int           // times that this node was found dead while it lived
	Postponed    int           // dates that were moved because a peer was missing
	Disagreement int           // times that a digest differed for over a second
	Fenced       time.Duration // between withdrawing at once and serving again
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
		foreign: map[string]owner.Member{},
		viewed:  -1,
	}
}

// Self returns this node's own entry.
func (r *Roster) Self() Entry { return r.self }

// Stage returns how far this node is in taking part.
func (r *Roster) Stage() Stage { return r.stage }

// Changes rises whenever View may have another answer than before.
func (r *Roster) Changes() int { return r.changes }

// Counts returns the events until now.
func (r *Roster) Counts(now time.Time) Counts {
	c := r.counts
	if !r.fenced.IsZero() {
		c.Fenced += max(now.Sub(r.fenced), 0)
	}
	return c
}

// Entries returns everything that is known, own entry first, then by name and
// instance.
func (r *Roster) Entries() []Entry {
	list := make([]Entry, 0, len(r.lives)+1)
	list = append(list, r.self)
	for _, l := range r.lives {
		list = append(list, l.Entry)
	}
	return list
}

// Living returns the entries of others that have not departed, by name.
func (r *Roster) Living(now time.Time) []Entry {
	list := make([]Entry, 0, len(r.lives))
	for _, l := range r.lives {
		if !l.departed(now) {
			list = append(list, l.Entry)
		}
	}
	return list
}

// View returns who serves when.
func (r *Roster) View() owner.View {
	if r.viewed != r.changes {
		r.view, r.viewed = r.view.With(r.Members()...).WithQuorum(r.cfg.Quorum), r.changes
	}
	return r.view
}

// Members returns what View is made from. Of two lives that claim one name at
// the same time, the one that came first counts.
func (r *Roster) Members() []owner.Member {
	members := make([]owner.Member, 0, len(r.lives)+len(r.foreign)+1)
	if r.stage != Displaced && !r.usurps(&r.self) {
		members = r.self.windows(members)
	}
	own := len(members)
	for _, l := range r.lives {
		if !r.usurps(&l.Entry) {
			members = l.windows(members)
		}
	}
	for i := range members[own:] {
		members[own+i].Peer = true
	}
	for _, m := range r.foreign {
		members = append(members, m)
	}
	return members
}

// usurps reports whether e claims a name that another life has by right.
func (r *Roster) usurps(e *Entry) bool {
	if !e.claims() {
		return false
	}
	if r.self.Name == e.Name && r.stage != Displaced && &r.self != e && r.self.claims() && r.self.before(e) {
		return true
	}
	return slices.ContainsFunc(r.named(e.Name), func(o *life) bool {
		return &o.Entry != e && o.claims() && o.before(e)
	})
}

// find returns where the life is or would be in lives.
func (r *Roster) find(name string, instance Instance) (int, bool) {
	return slices.BinarySearchFunc(r.lives, instance, func(l *life, instance Instance) int {
		return cmp.Or(cmp.Compare(l.Name, name), cmp.Compare(l.Instance, instance))
	})
}

// life returns a known life, or nil.
func (r *Roster) life(name string, instance Instance) *life {
	if i, ok := r.find(name, instance); ok {
		return r.lives[i]
	}
	return nil
}

// AddrOf returns the address of a life that is known and has not been found
// dead, or "".
func (r *Roster) AddrOf(name string, instance Instance) string {
	if l := r.life(name, instance); l != nil && !l.Down {
		return l.Addr
	}
	return ""
}

// Ended reports whether that life is known and over, so that its name is free.
func (r *Roster) Ended(now time.Time, name string, instance Instance) bool {
	l := r.life(name, instance)
	return l != nil && l.departed(now)
}

// named returns the lives of the peers called name.
func (r *Roster) named(name string) []*life {
	from, _ := r.find(name, 0)
	to := from
	for to < len(r.lives) && r.lives[to].Name == name {
		to++
	}
	return r.lives[from:to]
}

// alive returns the lives that have not departed, by name: those who must hear
// of a change.
func (r *Roster) alive(now time.Time) []*life {
	list := make([]*life, 0, len(r.lives))
	for _, l := range r.lives {
		if !l.departed(now) {
			list = append(list, l)
		}
	}
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
	return slices.ContainsFunc(r.lives, func(l *life) bool { return !l.From.IsZero() && !l.departed(now) })
}
