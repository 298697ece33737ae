// Package sim plays histories of a cluster: many nodes, each with a real
// roster.Roster and real owner arithmetic, over a modelled network with delays,
// losses, partitions and skewed clocks, in virtual time. Everything is drawn
// from one seed, so a failure is repeated by its seed.
//
// What is modelled: delivery of messages, and lifelines and what they tell of a
// failure. Gossip is left out but for announcements, which it loses as it likes.
// What is real: every decision, of the roster as of the clock of slots.
//
// A History is a Config and a list of Steps. Its text can be read back, so one
// that fails is shrunk, printed and kept as a file of testdata.
//
// The promises about slots, and what proves each:
//
//	settled: one owner of each key, who serves     Play: Owners, after every settle
//	planned changes miss and double nothing        TestPlannedChanges…, TestARollingRestart…, TestScaling…
//	  in storms two views last 10 s at most        TestStormsHeal
//	a crash: interval + 5 s, its own keys          TestACrashLeaves…
//	  among 1,000: + 10 s                          TestACrashAmongAThousand…
//	only keys of or to a changed node move         Play: moved; TestACrashAmongAThousand…
//	partitions: all is served, one view in 30 s    TestPartsOfAPartition…, TestAPartitionOfAnyShape…
//	pauses: heirs, nothing stale                   TestAPause…, and Blame says what may be doubled
//	wait-for-size                                  TestNoSlotIsServedBelowTheQuorum…, TestPlannedChangesWithAQuorum…
//	a crash in a lead time                         TestACrashDuringALeadTime…
//	a joiner that dies before its From             TestAJoinerThat…
//	a restart one second after kill -9             TestARestartInPlace…
//	two nodes with one name                        TestTheSecondOfTwoNodesWithOneName…
//	a clock 30 s off                               TestANodeWithAWrongClock…
//	any of these, one after the other              TestLawsHoldInRandomHistories
//
// Series and their markers are not modelled: that moves and partitions mark
// nothing is proven where series are (metrics/scrape) and by real processes
// (e2e).
package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
)

// Config describes the weather of a World and the work that is shared out.
type Config struct {
	Seed     uint64
	Delay    time.Duration // greatest delay of a message; each draws its own
	Loss     float64       // part of the messages that is lost
	Skew     time.Duration // greatest offset of a node's clock
	Keys     int           // targets
	Interval time.Duration // between two slots of a target
	Quorum   owner.Quorum
}

// A World is a cluster in virtual time.
type World struct {
	cfg     Config
	rnd     *rand.Rand
	start   time.Time
	now     time.Time
	events  events
	serial  int
	nodes   []*Node                // every life that there was
	byAddr  map[string]*Node       // the youngest life at an address
	cut     func(a, b string) bool // whether b does not hear a
	dark    map[string]bool        // hosts that are gone
	keys    []owner.Key
	index   map[owner.Key]int // of keys
	entries []schedule.Entry
	served  [][]serves // by key, then slot

	ends     []end                       // of processes, without notice
	watchers map[roster.Instance][]*Node // who keeps a lifeline to a life
	rings    map[uint64]owner.View       // one View for each set of names

	note func(string) // takes what happens; nil: nobody listens

	agreed time.Time     // when all nodes had the same digest
	split  time.Duration // longest time that they had not
}

// An end is when a process was stopped or killed.
type end struct {
	node     *Node
	at, woke time.Time // woke is far away if it never did
}

// serves is how often a slot was served, and by whom the first few times, and
// when.
type serves struct {
	count int
	by    [4]*Node
	at    [4]time.Time
}

// noted returns how many of the serves are known in full.
func (s *serves) noted() int { return min(s.count, len(s.by)) }

// of returns those by nodes that ok accepts.
func (s *serves) of(ok func(*Node) bool) serves {
	var some serves
	for i, n := range s.by[:s.noted()] {
		if ok(n) {
			some.by[some.count], some.at[some.count] = n, s.at[i]
			some.count++
		}
	}
	return some
}

// New returns a world without nodes.
func New(cfg Config) *World {
	w := &World{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 1)),
		start:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		byAddr:   map[string]*Node{},
		dark:     map[string]bool{},
		cut:      func(a, b string) bool { return false },
		watchers: map[roster.Instance][]*Node{},
		rings:    map[uint64]owner.View{},
		index:    map[owner.Key]int{},
	}
	w.now, w.agreed = w.start, w.start
	for i := range cfg.Keys {
		key := owner.Key(w.rnd.Uint64())
		w.keys = append(w.keys, key)
		w.index[key] = i
		w.entries = append(w.entries, schedule.Entry{Key: key, Interval: cfg.Interval})
	}
	w.served = make([][]serves, len(w.keys))
	w.compare()
	return w
}

// noted tells what happens to who listens.
func (w *World) noted(text string) {
	if w.note != nil {
		w.note(text)
	}
}

// Now returns the world's time since its start.
func (w *World) Now() time.Duration { return w.now.Sub(w.start) }

// send does f at node to unless the message is lost on the way from node from.
func (w *World) send(from, to *Node, f func()) {
	if to == nil || w.deaf(from.Host, to.Host) || w.rnd.Float64() < w.cfg.Loss {
		return
	}
	w.after(w.delay(), func() {
		if to.running() {
			f()
			to.act()
		}
	})
}

// deaf reports whether host b does not hear host a.
func (w *World) deaf(a, b string) bool { return w.dark[a] || w.dark[b] || w.cut(a, b) }

// parted reports whether no connection between two hosts can work.
func (w *World) parted(a, b string) bool { return w.deaf(a, b) || w.deaf(b, a) }

func (w *World) delay() time.Duration {
	if w.cfg.Delay <= 0 {
		return 0
	}
	return time.Duration(w.rnd.Int64N(int64(w.cfg.Delay)))
}

// Cut loses every message from host a to host b for which f is true; nil
// heals.
func (w *World) Cut(f func(a, b string) bool) {
	if f == nil {
		f = func(a, b string) bool { return false }
	}
	w.cut = f
}

// Node returns the youngest life at a host, or nil.
func (w *World) Node(host string) *Node { return w.byAddr[addrOf(host)] }

// Alive returns the nodes whose process exists, in the order of their start.
func (w *World) Alive() []*Node {
	var list []*Node
	for _, n := range w.nodes {
		if n.alive {
			list = append(list, n)
		}
	}
	return list
}

// viewOf returns the View of a node. Views with the same names share a ring.
func (w *World) viewOf(r *roster.Roster) owner.View {
	members := r.Members()
	slices.SortFunc(members, func(a, b owner.Member) int { return cmp.Compare(a.Name, b.Name) })
	names := xxhash.New()
	for _, m := range members {
		names.WriteString(m.Name + " ")
	}
	ring, ok := w.rings[names.Sum64()]
	if !ok {
		ring = owner.NewView(members...)
		w.rings[names.Sum64()] = ring
	}
	return ring.With(members...).WithQuorum(w.cfg.Quorum)
}

// slot returns the number of the slot that a time is, counted from the start.
func (w *World) slot(s time.Time) int { return int(s.Sub(w.start) / w.cfg.Interval) }

// serve notes that n serves a slot now.
func (w *World) serve(n *Node, d schedule.Due) {
	if d.Slot.Before(w.start) {
		return
	}
	at, key := w.slot(d.Slot), w.index[d.Key]
	for len(w.served[key]) <= at {
		w.served[key] = append(w.served[key], serves{})
	}
	slot := &w.served[key][at]
	if slot.count < len(slot.by) {
		slot.by[slot.count], slot.at[slot.count] = n, w.now
	}
	slot.count++
}

// compare notes now and then whether all nodes that run see the same cluster.
func (w *World) compare() {
	var first *Node
	same := !slices.ContainsFunc(w.nodes, func(n *Node) bool {
		if !n.running() {
			return false
		}
		if first == nil {
			first = n
		}
		return n.roster.Digest(n.clock()) != first.roster.Digest(first.clock())
	})
	if same {
		w.agreed = w.now
	}
	w.split = max(w.split, w.now.Sub(w.agreed))
	w.after(tickEvery, w.compare)
}

// Split returns the longest time, since it was last asked, in which not all
// running nodes saw the same cluster.
func (w *World) Split() time.Duration {
	d := w.split
	w.agreed, w.split = w.now, 0
	return d
}
