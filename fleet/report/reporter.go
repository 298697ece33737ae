package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Config says whom a Reporter asks. The functions answer from memory and may be
// called by any goroutine; those that are nil answer nothing.
type Config struct {
	Self    string                 // this node's name in View
	Cluster string                 // name of the cluster
	View    *cell.Cell[owner.View] // who serves what

	Describe   func() Node   // this node; Targets and Events are filled in by the Reporter
	ConfigHash func() string // of the configuration that runs
	Targets    func() []status.Target
	Census     func() []status.Census // of the components that have targets; nil: made of Targets
	Scrapes    func(component string, key owner.Key) []status.Scrape
	Discovered func(component string, key owner.Key) (telemetry.Labels, bool)
	Origins    func(component string, wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels
	Explain    func(wanted func(before, after telemetry.Labels) bool) []status.Relabelling
	Histories  func() []History // of all endpoints

	Peers func() []Peer                                                       // all lives of nodes that are known
	Ask   func(ctx context.Context, node string, body []byte) ([]byte, error) // what Answer of another node returns

	Registry prometheus.Registerer // of divvy_fleet_…; nil: there are no metrics
	Now      func() time.Time      // wall clock; nil: time.Now
}

// A Peer is one life of a node of the cluster, of this one as well, as the
// membership knows it.
type Peer struct {
	Name      string
	Addr      string // host:port
	State     string // viewer, participant or terminating
	Instance  string // of its process
	Self      bool   // it is this process
	Foreign   bool   // of other software: it cannot be asked
	Gone      bool   // it has departed
	Displaced bool   // another process has its name

	From, Until time.Time // when it serves, as far as that is announced
	Down        bool      // it was found dead
	DownAt      time.Time // its last proof of life then

	seen phase // by a timeline
}

const (
	// patience is how long nodes are waited for. One that was stopped must not
	// keep people from seeing the others.
	patience = 2 * time.Second

	// fresh is how long an answer is used again, so that ten open pages are
	// not ten times the work.
	fresh = time.Second

	// remembered is how old an answer may be where waiting would be worse, as
	// at the top of each page.
	remembered = 15 * time.Second
)

// A Reporter answers for the whole fleet from this node. Any number of
// goroutines may use it.
type Reporter struct {
	cfg   Config
	found *cell.Cell[findings] // by Run
	times timeline
	ills  recent
	lists lists

	own    memo[inventory] // this node's targets
	ownNow memo[inventory] // the same, for books and marks: see latest
	nodes  memo[hearing[Node]]
	rows   memo[table]
	told   memo[[][]Event] // events of each node
	stale  chan struct{}   // holds a token while Run is to ask the nodes again
}

// New returns a Reporter. It asks nobody before a method is called.
func New(cfg Config) *Reporter {
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return time.Now().Round(0) }
	}
	r := &Reporter{cfg: cfg, found: cell.New(findings{}), stale: make(chan struct{}, 1)}
	if cfg.Registry != nil {
		cfg.Registry.MustRegister(newMeters(r.found))
	}
	return r
}

// inventory returns this node's targets, at most a second old.
func (r *Reporter) inventory() inventory {
	now := r.cfg.Now()
	return r.own.get(now, fresh, func() inventory {
		before, _ := r.own.last(now)
		return r.takeInventory().after(before, now)
	})
}

// takeInventory returns this node's targets.
func (r *Reporter) takeInventory() inventory {
	if r.cfg.Targets == nil {
		return inventory{}
	}
	return takeInventory(r.cfg.Targets())
}

// Node returns what this node says of itself.
func (r *Reporter) Node() Node {
	n := Node{Name: r.cfg.Self}
	if r.cfg.Describe != nil {
		n = r.cfg.Describe()
	}
	inv := r.inventory()
	n.Targets = inv.digests()
	inv.load(&n.Load, r.cfg.View.Load(), r.cfg.Self, r.cfg.Now())
	n.Events = r.events()
	n.Problems = nonNil(slices.Concat(n.Problems, r.ills.problems(&n, r.cfg.Now()), lags(&n), refusals(&n)))
	n.Queues = nonNil(n.Queues)
	if n.Skew == nil {
		n.Skew = map[string]float64{}
	}
	return n
}

// refusals says that the configuration which runs is not the one that was last
// given to a node.
func refusals(n *Node) []string {
	if n.Config.Err == "" {
		return nil
	}
	return []string{"the last configuration was refused: " + n.Config.Err}
}

// Fleet returns what all nodes say of themselves and what follows from it. It
// takes as long as the slowest node, at most two seconds.
func (r *Reporter) Fleet(ctx context.Context) Fleet {
	return r.judge(r.nodes.get(r.cfg.Now(), fresh, func() hearing[Node] {
		return ask(lasting(ctx), r, request{Want: wantNode}, r.Node)
	}))
}

// Verdict returns all that is wrong with the fleet, as the nodes told it a
// moment ago. It waits for them only if nobody has asked them for remembered.
func (r *Reporter) Verdict(ctx context.Context) []string {
	heard, age := r.nodes.last(r.cfg.Now())
	if age >= remembered {
		return r.Fleet(ctx).Verdict
	}
	if age >= fresh {
		select {
		case r.stale <- struct{}{}:
		default: // Run has been told
		}
	}
	return r.judge(heard).Verdict
}

// judge puts together what the nodes said.
func (r *Reporter) judge(heard hearing[Node]) Fleet {
	found := r.found.Load()
	f := Fleet{
		At: r.cfg.Now(), Asked: r.cfg.Self, Cluster: r.cfg.Cluster,
		Nodes: heard.values(), Silent: nonNil(heard.silent), Quorum: quorumOf(r.cfg.View.Load(), r.cfg.Now()),
		Coverage: nonNil(found.coverage), Drift: describeDrift(found.drift, heard.values()), Verdict: []string{},
	}
	slices.SortFunc(f.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	f.Verdict = verdict(&f)
	return f
}

// Targets returns the targets of all components of all nodes that q selects. An
// error says what is wrong with q.
func (r *Reporter) Targets(ctx context.Context, q Query) (Page, error) {
	match, err := q.compile()
	if err != nil {
		return Page{}, err
	}
	t := r.table(ctx)
	return t.page(match), nil
}

// shownEvents is how many events a node tells of when it describes itself.
const shownEvents = 50

// events returns the latest events.
func (r *Reporter) events() []Event {
	list := r.times.list()
	return nonNil(list[max(len(list)-shownEvents, 0):])
}

// Events returns what happened, as all nodes saw it, the latest last.
func (r *Reporter) Events(ctx context.Context) []Event {
	lists := r.told.get(r.cfg.Now(), fresh, func() [][]Event {
		return ask(lasting(ctx), r, request{Want: wantEvents}, r.times.list).values()
	})
	return mergeEvents(lists...)
}

// Reloaded notes that this node's configuration was loaded again, or refused
// with an error.
func (r *Reporter) Reloaded(err error) {
	e := Event{At: r.cfg.Now(), Seen: r.cfg.Self, Node: r.cfg.Self, Moved: -1, Kind: eventReloaded}
	e.Text = e.Node + " runs a new configuration"
	if err != nil {
		e.Kind, e.Text = eventRefused, fmt.Sprintf("%s refuses a new configuration and goes on with the one before: %s", e.Node, err)
	}
	r.times.add(e)
}

// nonNil makes an empty list of none: in JSON it is [] and not null.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
