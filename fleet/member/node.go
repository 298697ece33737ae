package member

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/gossip"
	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// A Node is this process in its cluster. Its methods may be called by any
// goroutine.
type Node struct {
	cfg       Config
	log       *slog.Logger
	self      roster.Instance
	transport *gossip.Transport
	list      *memberlist.Memberlist
	queue     memberlist.TransmitLimitedQueue
	client    *http.Client
	view      *cell.Cell[owner.View]
	peers     *cell.Cell[[]roster.Entry] // living entries of other nodes
	kick      chan struct{}              // of capacity 1: there may be actions
	renew     chan struct{}              // of capacity 1: the metadata changed
	departed  chan struct{}              // closed when the last slot was served
	metadata  atomic.Pointer[[]byte]
	digest    atomic.Uint64
	ticked    atomic.Int64 // when the loop last ran, Unix ns of the monotonic clock's base
	started   time.Time

	mu      sync.Mutex // guards the fields below
	roster  *roster.Roster
	states  *ckit.States
	known   map[string]bool // members of the gossip, by name; false: without our metadata
	changes int             // of the roster, when the view was published
	left    bool            // departed is closed
}

// Open makes the node a viewer of its own cluster of one. It answers peers
// once Handler is served, and looks for them in Run.
func Open(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.defaulted()
	n := &Node{
		cfg:      cfg,
		log:      cfg.Log,
		started:  time.Now(),
		view:     cell.New(owner.View{}),
		peers:    cell.New[[]roster.Entry](nil),
		kick:     make(chan struct{}, 1),
		renew:    make(chan struct{}, 1),
		departed: make(chan struct{}),
		known:    map[string]bool{},
	}
	n.self = roster.NewInstance(n.started, uint16(rand.Uint32()))
	n.roster = roster.New(roster.Config{
		Name: cfg.Name, Addr: cfg.Advertise.String(), Instance: n.self,
		Version: cfg.Version, Zone: cfg.Zone, Config: cfg.Config, Quorum: cfg.Quorum,
	})
	var hello ckit.Statement
	n.states, hello = ckit.NewStates(cfg.Name)
	n.publish()
	n.touch()
	n.client = newClient(cfg)
	n.transport = gossip.New(gossip.Config{
		Advertise: cfg.Advertise, TLS: cfg.TLS, Dial: cfg.Dial, Stale: n.stale, Log: cfg.Log, Registry: cfg.Registry,
	})
	var err error
	if n.list, err = memberlist.Create(n.gossipConfig()); err != nil {
		n.transport.Shutdown()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	n.queue.NumNodes, n.queue.RetransmitMult = n.list.NumMembers, 4
	n.broadcast(hello)
	return n, nil
}

// gossipConfig is memberlist's configuration.
func (n *Node) gossipConfig() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = n.cfg.Name
	c.Label = n.cfg.Cluster
	c.Transport = n.transport
	c.AdvertiseAddr, c.AdvertisePort = n.cfg.Advertise.Addr().String(), int(n.cfg.Advertise.Port())
	c.ProbeInterval, c.ProbeTimeout = probeInterval, probeTimeout
	c.TCPTimeout = 2 * time.Second
	c.UDPBufferSize = 8 << 10
	c.DeadNodeReclaimTime = time.Second
	c.DelegateProtocolVersion, c.DelegateProtocolMin, c.DelegateProtocolMax = 0, 0, 0
	c.Delegate, c.Events, c.Ping, c.Merge, c.Conflict = delegate{n}, delegate{n}, delegate{n}, delegate{n}, delegate{n}
	c.Logger = log.New(logLines{n.log}, "", 0)
	return c
}

// logLines passes memberlist's lines on at the level that they name.
type logLines struct{ log *slog.Logger }

func (l logLines) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelDebug
	for prefix, at := range map[string]slog.Level{"[WARN]": slog.LevelWarn, "[ERR]": slog.LevelWarn, "[INFO]": slog.LevelDebug, "[DEBUG]": slog.LevelDebug} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, level = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "memberlist:")), at
		}
	}
	l.log.Log(context.Background(), level, text, "from", "gossip")
	return len(line), nil
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

// Ready says that this node can serve its share from now on.
func (n *Node) Ready() { n.decide(func(now time.Time) { n.roster.Ready(now) }) }

// Leave announces that this node stops, and returns when its last slot has
// been served, or when ctx is done.
func (n *Node) Leave(ctx context.Context) error {
	n.decide(func(now time.Time) { n.roster.Leave(now) })
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
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// publish shows the roster's View and what is gossiped of this node. It needs
// mu, or to be alone.
func (n *Node) publish() {
	now := time.Now().Round(0)
	n.digest.Store(n.roster.Digest(now))
	if c := n.roster.Changes(); c != n.changes || n.metadata.Load() == nil {
		n.changes = c
		metadata := roster.EncodeMetadata(n.roster.Self())
		n.metadata.Store(&metadata)
		n.view.Set(n.roster.View())
		var living []roster.Entry
		for _, e := range n.roster.Entries()[1:] {
			if !e.Down && (e.Until.IsZero() || now.Before(e.Until)) {
				living = append(living, e)
			}
		}
		n.peers.Set(living)
	}
}

// touch notes that the loop runs.
func (n *Node) touch() { n.ticked.Store(int64(time.Since(n.started))) }

// stale reports whether the loop has not run for too long: the process was
// stopped or starved, and what it believes may be long out of date.
func (n *Node) stale() bool {
	return time.Since(n.started)-time.Duration(n.ticked.Load()) > n.cfg.Stall
}

// Close leaves the gossip and gives everything back. Run has returned.
func (n *Node) Close() error {
	if n.Stage() != roster.Displaced {
		if err := n.list.Leave(letterTimeout); err != nil {
			n.log.Warn("peers were not told of the end of this node", "err", err)
		}
	}
	err := n.list.Shutdown()
	n.client.CloseIdleConnections()
	return err
}
