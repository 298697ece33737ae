package member

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/gossip"
	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
)

// A Node is this process in its cluster. Its methods may be called by any
// goroutine.
type Node struct {
	cfg       Config
	log       *slog.Logger
	self      roster.Instance
	seal      seal
	transport *gossip.Transport
	list      *memberlist.Memberlist
	outbox    outbox // of statements for other software
	client    *http.Client
	meters    *meters
	view      *cell.Cell[owner.View]
	watched   *cell.Cell[[]roster.Entry] // peers to keep a lifeline to
	kick      chan struct{}              // of capacity 1: there may be actions
	renew     chan struct{}              // of capacity 1: the metadata changed
	departed  chan struct{}              // closed when the last slot was served
	done      chan struct{}              // closed when Run returns
	notes     chan note                  // what components have to tell
	sending   chan struct{}              // has an item for each letter on its way
	answering chan struct{}              // has an item for each letter that is answered
	leaving   sync.Once                  // the gossip was left
	metadata  atomic.Pointer[[]byte]
	asks      asks                         // of other nodes
	pulsed    atomic.Pointer[roster.Pulse] // what is said of this node; its Clock is not set
	lease     *schedule.Lease              // renewed by the loop

	mu       sync.Mutex // guards the fields below
	roster   *roster.Roster
	states   *ckit.States
	known    map[string]known // other members of the gossip, by name
	gossiped string           // metadata that the gossip has
	changes  int              // of the roster, when the view was published
	stage    roster.Stage     // when it was last looked at
	left     bool             // departed is closed
	wants    bool             // Ready was called
	sought   bool             // peers were looked for once
	alone    string           // why no peer was found although some were expected; "": as it should be

	aloneSince time.Time // when no peer was found first; zero: one was
	aloneTold  time.Time // when that was last said
	aloneAs    meeting   // what was said then
}

// Open makes the node a viewer of its own cluster of one. It answers peers
// once Handler is served, and looks for them in Run.
func Open(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.defaulted()
	n := &Node{
		cfg:       cfg,
		log:       cfg.Log,
		seal:      seal{derive(cfg.Secret, routesKey)},
		client:    newClient(cfg),
		view:      cell.New(owner.View{}),
		watched:   cell.New[[]roster.Entry](nil),
		kick:      make(chan struct{}, 1),
		renew:     make(chan struct{}, 1),
		departed:  make(chan struct{}),
		done:      make(chan struct{}),
		notes:     make(chan note, maxNotes),
		sending:   make(chan struct{}, maxSending),
		answering: make(chan struct{}, maxAnswering),
		known:     map[string]known{},
		sought:    cfg.Peers == nil,
		lease:     schedule.NewLease(cfg.Stall, time.Now()),
		self:      roster.NewInstance(time.Now(), uint16(rand.Uint32())),
	}
	n.roster = roster.New(roster.Config{
		Name: cfg.Name, Addr: cfg.Advertise.String(), Instance: n.self,
		Version: cfg.Version, Zone: cfg.Zone, Quorum: cfg.Quorum,
	})
	var hello ckit.Statement
	n.states, hello = ckit.NewStates(cfg.Name)
	n.meters = newMeters(n)
	n.publish(time.Now().Round(0))
	n.transport = gossip.New(gossip.Config{
		Advertise: cfg.Advertise, TLS: cfg.TLS, Dial: cfg.Dial, Stale: n.stale, Log: cfg.Log, Registry: cfg.Registry,
	})
	var err error
	if n.list, err = memberlist.Create(n.gossipConfig()); err != nil {
		n.transport.Shutdown()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	n.broadcast(hello)
	cfg.Registry.MustRegister(n.meters)
	return n, nil
}

// View is who serves which slot, always the latest.
func (n *Node) View() *cell.Cell[owner.View] { return n.view }

// Entries returns everything that is known of the nodes of the cluster, this
// one first.
func (n *Node) Entries() []roster.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.roster.Entries()
}

// Stage returns how far this node is in taking part.
func (n *Node) Stage() roster.Stage {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.roster.Stage()
}

// SetConfig says that a configuration was loaded, and its hash, which peers
// are told.
func (n *Node) SetConfig(hash uint64) {
	n.decide(func(now time.Time) { n.roster.SetConfig(now, hash) })
}

// Ready says that this node can serve its share from now on. It takes part
// once peers were looked for.
func (n *Node) Ready() {
	n.decide(func(now time.Time) {
		n.wants = true
		n.tryReady(now)
	})
}

// tryReady tells the roster that this node is ready, if it knows whether there
// are others. It needs mu.
func (n *Node) tryReady(now time.Time) {
	if n.wants && n.sought {
		n.roster.Ready(now)
	}
}

// Leave announces that this node stops, and returns when its last slot has
// been served, or when ctx is done.
func (n *Node) Leave(ctx context.Context) error {
	n.decide(func(now time.Time) {
		n.wants = false
		n.roster.Leave(now)
	})
	select {
	case <-n.departed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("leave cluster: %w", ctx.Err())
	}
}

// decide tells the roster something, and lets Run do what follows.
func (n *Node) decide(f func(now time.Time)) {
	n.mu.Lock()
	f(time.Now().Round(0))
	n.mu.Unlock()
	signal(n.kick)
}

// publish shows the roster's View and what is said of this node. It needs mu,
// or to be alone.
func (n *Node) publish(now time.Time) {
	p := n.roster.Pulse(now)
	n.pulsed.Store(&p)
	if c := n.roster.Changes(); c != n.changes || n.metadata.Load() == nil {
		begin := time.Now()
		n.changes = c
		metadata := roster.EncodeMetadata(n.roster.Self())
		n.metadata.Store(&metadata)
		n.view.Set(n.roster.View())
		n.meters.publishing.Observe(time.Since(begin).Seconds())
	}
	if w := n.roster.Watched(); !slices.Equal(w, n.watched.Load()) {
		n.watched.Set(w)
	}
}

// pulse returns what this node says of itself now.
func (n *Node) pulse() roster.Pulse {
	p := *n.pulsed.Load()
	p.Clock = time.Now().Round(0)
	return p
}

// Lease lets clocks serve the slots of View. It lapses when this process was
// stopped, until View is right again.
func (n *Node) Lease() *schedule.Lease { return n.lease }

// stale reports whether the loop has not run for too long: the process was
// stopped or starved, or the machine slept, which only the wall clock shows.
// What this node believes may be long out of date.
func (n *Node) stale() bool { return n.lease.Lapsed(time.Now()) }

// ended reports whether this node takes no part any more.
func (n *Node) ended() bool {
	select {
	case <-n.departed:
	case <-n.done:
	default:
		return false
	}
	return true
}

// Close leaves the gossip and gives everything back. Run has returned.
func (n *Node) Close() error {
	n.leaveGossip()
	err := n.list.Shutdown()
	n.client.CloseIdleConnections()
	n.cfg.Registry.Unregister(n.meters)
	return err
}
