package sim

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	tickEvery  = 250 * time.Millisecond
	pingEvery  = 500 * time.Millisecond // one peer after the other, as memberlist does
	healEvery  = 5 * time.Second
	suspicion  = 4 * time.Second // until the gossip gives up a node that is silent
	redialTime = 20 * time.Millisecond
)

// A Node is one life of a node.
type Node struct {
	Name string

	w        *World
	roster   *roster.Roster
	instance roster.Instance
	skew     time.Duration
	alive    bool // the process exists
	paused   bool // it is stopped by a signal
	woken    time.Time
	view     owner.View
	changes  int                     // of the roster, when view was made
	next     map[owner.Key]time.Time // slot that the clock asks about next
	mine     map[owner.Key]time.Time // last slot served here
	silent   map[string]time.Time    // peer -> since when no ping was answered
	peers    []string                // remembered on disk
	turn     int
}

// Start begins a life of name, which knows the running nodes by their
// addresses and joins once it is ready.
func (w *World) Start(name string) *Node {
	n := &Node{
		Name: name, w: w, alive: true,
		instance: roster.NewInstance(w.now, uint16(w.rnd.Uint32())),
		next:     map[owner.Key]time.Time{}, mine: map[owner.Key]time.Time{}, silent: map[string]time.Time{},
	}
	if w.cfg.Skew > 0 {
		n.skew = time.Duration(w.rnd.Int64N(int64(2*w.cfg.Skew))) - w.cfg.Skew
	}
	n.roster = roster.New(roster.Config{
		Name: name, Addr: name + ":1", Instance: n.instance, Quorum: w.cfg.Quorum,
	})
	seeds := w.Alive()
	w.nodes = append(w.nodes, n)
	w.byName[name] = n
	for _, s := range seeds {
		n.sync(s)
	}
	for _, key := range w.keys {
		n.next[key] = owner.NextSlot(key, w.cfg.Interval, n.clock())
		n.plan(key)
	}
	n.every(tickEvery, n.tick)
	n.every(pingEvery, n.ping)
	n.every(healEvery, n.heal)
	w.after(300*time.Millisecond+2*w.cfg.Delay, func() {
		if n.running() {
			n.roster.Ready(n.clock())
			n.act()
		}
	})
	return n
}

// running reports whether the node's code runs.
func (n *Node) running() bool { return n.alive && !n.paused }

// clock is the node's own clock.
func (n *Node) clock() time.Time { return n.w.now.Add(n.skew) }

// every does f again and again while the process exists. Ticks of different
// nodes fall at different times.
func (n *Node) every(d time.Duration, f func()) {
	var again func()
	again = func() {
		if !n.alive {
			return
		}
		if n.running() {
			f()
			n.act()
		}
		n.w.after(d, again)
	}
	n.w.after(time.Duration(n.w.rnd.Int64N(int64(d))), again)
}

func (n *Node) tick() { n.roster.Tick(n.clock()) }

// Leave asks the node to stop gracefully.
func (n *Node) Leave() {
	if n.running() {
		n.roster.Leave(n.clock())
		n.act()
	}
}

// Kill ends the process without a word. Peers see their lifelines break.
func (n *Node) Kill() {
	n.alive = false
	n.broke()
}

// broke lets every peer notice that its stream to n ended and that redialling
// is refused.
func (n *Node) broke() {
	for _, p := range n.w.Alive() {
		if p == n || n.w.cut(n.Name, p.Name) {
			continue
		}
		n.w.after(n.w.delay()+redialTime, func() {
			if p.running() && !n.alive && n.w.byName[n.Name] == n {
				p.roster.Doubt(p.clock(), n.Name, n.instance)
				p.act()
			}
		})
	}
}

// Pause stops the process for d, as SIGSTOP does. It notices when it wakes.
func (n *Node) Pause(d time.Duration) {
	n.paused = true
	n.w.after(d, func() {
		n.paused = false
		if d > 1500*time.Millisecond {
			n.roster.Fence(n.clock())
		}
		n.act()
	})
}

// ping exchanges digests with one peer after the other, and doubts those that
// have not answered for too long.
func (n *Node) ping() {
	var peers []roster.Entry
	for _, e := range n.roster.Entries()[1:] {
		if !e.Down {
			peers = append(peers, e)
		}
	}
	if len(peers) == 0 {
		return
	}
	n.turn++
	e := peers[n.turn%len(peers)]
	for _, p := range peers {
		if since, ok := n.silent[p.Name]; ok && n.w.now.Sub(since) > suspicion {
			n.roster.Doubt(n.clock(), p.Name, p.Instance)
		}
	}
	if _, ok := n.silent[e.Name]; !ok {
		n.silent[e.Name] = n.w.now
	}
	to := n.w.byName[e.Name]
	n.w.send(n, to, func() {
		if to.instance != e.Instance {
			return
		}
		pulse := roster.Pulse{Instance: to.instance, Clock: to.clock(), Digest: to.roster.Digest(to.clock())}
		gossip, sent := to.roster.Self(), n.w.now
		n.w.send(to, n, func() {
			delete(n.silent, e.Name)
			n.roster.Learn(n.clock(), gossip)
			n.roster.Compare(n.clock(), e.Name, pulse, n.w.now.Sub(sent))
		})
	})
}

// heal exchanges entries with one remembered peer that is missing.
func (n *Node) heal() {
	known := map[string]bool{}
	for _, e := range n.roster.Entries() {
		known[e.Name] = known[e.Name] || !e.Down
		if !contains(n.peers, e.Name) {
			n.peers = append(n.peers, e.Name)
		}
	}
	for i := range n.peers {
		p := n.peers[(n.turn+i)%len(n.peers)]
		if to := n.w.byName[p]; !known[p] && to != nil {
			n.sync(to)
			return
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// sync exchanges everything that is known, both ways.
func (n *Node) sync(to *Node) {
	mine := n.roster.Entries()
	n.w.send(n, to, func() {
		to.roster.Learn(to.clock(), mine...)
		theirs := to.roster.Entries()
		n.w.send(to, n, func() { n.roster.Learn(n.clock(), theirs...) })
	})
}

// act does what the roster wants done, and looks at the new View.
func (n *Node) act() {
	for _, a := range n.roster.Take() {
		n.perform(a)
	}
	n.look()
}

func (n *Node) perform(a roster.Action) {
	to := n.w.byName[a.Peer]
	switch a.Do {
	case roster.Tell:
		n.w.send(n, to, func() {
			to.roster.Learn(to.clock(), a.Entries...)
			n.w.send(to, n, func() {
				for _, e := range a.Entries {
					if e.Instance == n.instance {
						n.roster.Acked(n.clock(), a.Peer, e.Seq)
					}
				}
			})
		})
	case roster.Ask:
		n.w.send(n, to, func() {
			suspect := n.w.byName[a.Suspect]
			reachable := suspect != nil && suspect.alive && !suspect.paused && suspect.instance == a.Instance &&
				!n.w.cut(to.Name, a.Suspect) && !n.w.cut(a.Suspect, to.Name)
			n.w.send(to, n, func() { n.roster.Answered(n.clock(), a.Suspect, a.Instance, reachable) })
		})
	case roster.Sync:
		n.sync(to)
	case roster.Announce:
		self := n.roster.Self()
		for _, p := range n.w.Alive() { // gossip: everybody hears, later
			if p != n {
				n.w.send(n, p, func() { p.roster.Learn(p.clock(), self) })
			}
		}
	case roster.Depart:
		n.alive = false
	}
}

// look serves what a new View makes ours after the fact: the latest slot that
// has passed, and no older one.
func (n *Node) look() {
	if c := n.roster.Changes(); n.changes != c {
		n.changes = c
		n.view = n.roster.View()
		for _, key := range n.w.keys {
			s := owner.Slot(key, n.w.cfg.Interval, n.clock())
			if n.owns(key, s) && n.mine[key].Before(s) && n.next[key].After(s) {
				n.serve(key, s)
			}
		}
	}
}

func (n *Node) owns(key owner.Key, s time.Time) bool {
	m, ok := n.view.Owner(key, s)
	return ok && m.Name == n.Name
}

// plan asks about a key's next slot when the node's clock says that it has come.
func (n *Node) plan(key owner.Key) {
	n.w.after(n.next[key].Sub(n.clock()), func() {
		if !n.alive {
			return
		}
		s := n.next[key]
		n.next[key] = s.Add(n.w.cfg.Interval)
		if !n.paused && n.owns(key, s) {
			n.serve(key, s)
		}
		n.plan(key)
	})
}

func (n *Node) serve(key owner.Key, s time.Time) {
	n.mine[key] = s
	id := slot{key, s.UnixNano()}
	n.w.served[id] = append(n.w.served[id], serve{n, n.w.now})
}
