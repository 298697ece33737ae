package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
)

const (
	tickEvery  = 250 * time.Millisecond
	pulseEvery = 500 * time.Millisecond
	healEvery  = 5 * time.Second
	stall      = 1500 * time.Millisecond // a pause that a process notices
	askTimeout = 500 * time.Millisecond  // of a witness that tries to reach a suspect
	redialTime = 20 * time.Millisecond
	never      = 1000 * time.Hour
)

// A Node is one life of a node: a process on a host.
type Node struct {
	Name, Host string

	w        *World
	roster   *roster.Roster
	instance roster.Instance
	skew     time.Duration
	alive    bool // the process exists
	paused   bool // it is stopped by a signal
	view     owner.View
	agenda   *schedule.Agenda
	lease    *schedule.Lease
	changes  int               // of the roster, when the agenda was last asked
	stage    roster.Stage      // when it was last looked at
	alarm    int               // number of the wake-up that counts
	peers    map[string]string // name -> address, remembered on disk
	seeds    []string          // hosts to join
	watching map[roster.Instance]bool
	linked   int       // changes of the roster, when lifelines were looked after
	linkedAt time.Time // when that was
	round    int       // of healing
}

func addrOf(host string) string { return host + ":1" }

// Start begins a life of the node that is called like its host. It knows the
// addresses of running nodes and joins once it is ready.
func (w *World) Start(host string) *Node { return w.StartAs(host, host) }

// StartAs begins a life of the node called name.
func (w *World) StartAs(name, host string) *Node {
	skew := time.Duration(0)
	if w.cfg.Skew > 0 {
		skew = time.Duration(w.rnd.Int64N(int64(2*w.cfg.Skew))) - w.cfg.Skew
	}
	return w.startWith(name, host, skew)
}

func (w *World) startWith(name, host string, skew time.Duration) *Node {
	n := w.place(name, host, skew)
	w.after(300*time.Millisecond+4*w.cfg.Delay, func() { // it has been told by its seeds
		if n.running() {
			n.roster.Ready(n.clock())
			n.act()
		}
	})
	for _, s := range w.Alive() {
		if s != n {
			n.seeds = append(n.seeds, s.Host)
			n.sync(s)
		}
	}
	return n
}

// place puts a process there that knows nobody.
func (w *World) place(name, host string, skew time.Duration) *Node {
	n := &Node{
		Name: name, Host: host, w: w, alive: true, skew: skew,
		agenda: schedule.NewAgenda(name), peers: map[string]string{}, watching: map[roster.Instance]bool{},
	}
	n.lease = schedule.NewLease(stall, n.clock())
	n.agenda.Set(n.clock(), w.entries)
	n.instance = roster.NewInstance(n.clock(), uint16(w.rnd.Uint32()))
	n.roster = roster.New(roster.Config{Name: name, Addr: addrOf(host), Instance: n.instance, Quorum: w.cfg.Quorum})
	w.nodes = append(w.nodes, n)
	w.byAddr[addrOf(host)] = n
	n.turn()
	n.every(tickEvery, n.tick)
	n.every(pulseEvery, n.pulse)
	n.every(healEvery, n.heal)
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

const lifelinesEvery = time.Second

// tick is a turn of the membership's loop: it withdraws if it was stopped, lets
// the roster act, and keeps the lifelines that it wants.
func (n *Node) tick() {
	if n.lease.Lapsed(n.clock()) {
		n.roster.Fence(n.clock(), n.lease.Served())
	}
	n.roster.Tick(n.clock())
	n.lease.Renew(n.clock())
	if c := n.roster.Changes(); c != n.linked || n.w.now.Sub(n.linkedAt) >= lifelinesEvery {
		n.linked, n.linkedAt = c, n.w.now
		n.keepLifelines()
	}
}

// keepLifelines opens and drops lifelines as the roster wants.
func (n *Node) keepLifelines() {
	want := map[roster.Instance]bool{}
	for _, e := range n.roster.Watched() {
		want[e.Instance] = true
		if n.peers[e.Name] != e.Addr {
			n.peers[e.Name] = e.Addr
		}
		if !n.watching[e.Instance] {
			n.watching[e.Instance] = true
			n.w.watchers[e.Instance] = append(n.w.watchers[e.Instance], n)
			if to := n.w.byAddr[e.Addr]; to == nil || !to.alive || to.instance != e.Instance {
				n.w.after(redialTime, func() { n.redial(e) })
			}
		}
	}
	for instance := range n.watching {
		if !want[instance] {
			delete(n.watching, instance)
		}
	}
}

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
	n.w.ends = append(n.w.ends, end{n, n.w.now, n.w.now.Add(never)})
	e := n.roster.Self()
	for _, p := range n.w.watchers[n.instance] {
		if p.watching[n.instance] && !n.w.deaf(n.Host, p.Host) {
			n.w.after(n.w.delay()+redialTime, func() { p.redial(e) })
		}
	}
}

// Vanish ends the process with its host: nothing answers.
func (n *Node) Vanish() {
	n.w.dark[n.Host] = true
	n.Kill()
}

// redial tries to reach a peer whose lifeline broke.
func (n *Node) redial(e roster.Entry) {
	if !n.running() || n.w.parted(n.Host, e.Addr[:len(e.Addr)-2]) {
		return
	}
	switch to := n.w.byAddr[e.Addr]; {
	case to == nil || !to.alive: // refused
		n.roster.Doubt(n.clock(), e.Name, e.Instance)
	case to.instance != e.Instance:
		n.sync(to)
	}
	n.act()
}

// Pause stops the process for d, as SIGSTOP does. When it wakes, its loop and
// its clock run in any order.
func (n *Node) Pause(d time.Duration) {
	n.paused = true
	n.w.ends = append(n.w.ends, end{n, n.w.now, n.w.now.Add(d)})
	n.w.after(d, func() {
		if n.paused = false; !n.alive {
			return
		}
		if n.w.rnd.IntN(2) == 0 {
			n.turn()
		}
		n.tick()
		n.act()
		n.turn()
	})
}

// pulse sends a pulse along every lifeline that others keep to n.
func (n *Node) pulse() {
	p := n.roster.Pulse(n.clock())
	list := n.w.watchers[n.instance]
	kept := list[:0]
	for _, to := range list {
		if !to.alive || !to.watching[n.instance] {
			continue
		}
		kept = append(kept, to)
		if !n.w.parted(n.Host, to.Host) { // acknowledgements must get through too
			n.w.send(n, to, func() { to.roster.Compare(to.clock(), n.Name, p, -1) })
		}
	}
	n.w.watchers[n.instance] = kept
}

// heal exchanges entries with one remembered peer that is missing, or with a
// seed while nobody is there.
func (n *Node) heal() {
	list := n.roster.Living(n.clock())
	living := make(map[string]bool, len(list))
	for _, e := range list {
		living[e.Addr] = true
	}
	n.round++
	var missing []*Node
	for _, to := range n.w.nodes { // in order, for the sake of repeatability
		addr := addrOf(to.Host)
		remembered := n.peers[to.Name] == addr || len(living) == 0 && slices.Contains(n.seeds, to.Host)
		if remembered && !living[addr] && n.w.byAddr[addr] == to {
			missing = append(missing, to)
		}
	}
	if len(missing) > 0 {
		n.sync(missing[n.round%len(missing)])
	}
}

// sync exchanges everything that is known, both ways.
func (n *Node) sync(to *Node) {
	mine, asked := n.roster.Entries(), n.w.now
	n.w.send(n, to, func() {
		if !to.alive {
			return
		}
		to.roster.Learn(to.clock(), mine...)
		theirs, p := to.roster.Entries(), to.roster.Pulse(to.clock())
		n.w.send(to, n, func() {
			n.roster.Learn(n.clock(), theirs...)
			n.roster.Compare(n.clock(), to.Name, p, n.w.now.Sub(asked))
		})
	})
}

// Settled places n nodes that have known each other for long.
func (w *World) Settled(n int) {
	var entries []roster.Entry
	for i := range n {
		name := fmt.Sprintf("node-%d", i)
		w.place(name, name, 0).roster.Ready(w.now.Add(-time.Hour))
		entries = append(entries, w.nodes[i].roster.Self())
	}
	for _, p := range w.nodes {
		p.roster.Learn(w.now, entries...)
		p.roster.Take()
		for _, e := range entries {
			p.roster.Acked(w.now, e.Name, e.Instance, p.roster.Self().Seq)
		}
	}
}
