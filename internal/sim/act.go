package sim

import (
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// act does what the roster wants done, and looks at the new View.
func (n *Node) act() {
	for _, a := range n.roster.Take() {
		n.perform(a)
	}
	if s := n.roster.Stage(); s != n.stage {
		n.stage = s
		n.w.noted("  " + n.Name + " is " + s.String())
	}
	if n.changes != n.roster.Changes() {
		n.turn()
	}
}

func (n *Node) perform(a roster.Action) {
	switch a.Do {
	case roster.Tell:
		n.tell(n.w.byAddr[a.Addr], a)
	case roster.Ask:
		n.ask(n.w.byAddr[a.Addr], a)
	case roster.Sync:
		if to := n.w.byAddr[a.Addr]; to != nil {
			n.sync(to)
		}
	case roster.Announce:
		if n.roster.Stage() == roster.Displaced || len(n.w.nodes) > 100 {
			return
		}
		self := n.roster.Self()
		for _, p := range n.w.nodes { // gossip: everybody hears, later
			if p != n && p.alive {
				n.w.send(n, p, func() { p.roster.Learn(p.clock(), self) })
			}
		}
	case roster.Depart:
		n.alive = false
	}
}

func (n *Node) tell(to *Node, a roster.Action) {
	sent := n.w.now
	n.w.send(n, to, func() {
		to.roster.Heard(to.clock(), n.Name, n.instance)
		to.roster.Learn(to.clock(), a.Entries...)
		self, p := to.roster.Self(), to.roster.Pulse(to.clock())
		n.w.send(to, n, func() {
			n.roster.Learn(n.clock(), self)
			n.roster.Compare(n.clock(), to.Name, p, n.w.now.Sub(sent))
			for _, e := range a.Entries {
				if e.Instance == n.instance {
					n.roster.Acked(n.clock(), to.Name, to.instance, e.Seq)
				}
			}
		})
	})
}

// ask lets a peer try to reach a suspect: it knows, or it sends a letter.
func (n *Node) ask(to *Node, a roster.Action) {
	answer := func(reachable bool) {
		n.w.send(to, n, func() { n.roster.Answered(n.clock(), a.Suspect, a.Instance, reachable) })
	}
	n.w.send(n, to, func() {
		if to.roster.Hears(to.clock(), a.Suspect, a.Instance) {
			answer(true)
			return
		}
		answered := false
		reply := func(reachable bool) {
			if !answered && to.running() {
				answered = true
				answer(reachable)
			}
		}
		suspect := n.w.lifeOf(a.Instance)
		if suspect != nil && !suspect.alive && !n.w.parted(to.Host, suspect.Host) {
			n.w.after(n.w.delay(), func() { reply(false) }) // refused
			return
		}
		n.w.send(to, suspect, func() { n.w.send(suspect, to, func() { reply(true) }) })
		n.w.after(askTimeout, func() { reply(false) })
	})
}

// lifeOf returns the node that has this instance, or nil.
func (w *World) lifeOf(instance roster.Instance) *Node {
	for _, n := range w.nodes {
		if n.instance == instance {
			return n
		}
	}
	return nil
}

// turn lets the clock pass what has come, unless the lease has lapsed.
func (n *Node) turn() {
	if !n.running() || !n.lease.Use(n.clock()) {
		return
	}
	changed := n.changes != n.roster.Changes()
	if changed {
		n.changes, n.view = n.roster.Changes(), n.w.viewOf(n.roster)
	}
	for _, d := range n.agenda.Turn(n.clock(), n.view, changed).Due {
		n.w.serve(n, d)
	}
	n.alarm++
	alarm := n.alarm
	if at, ok := n.agenda.Next(); ok {
		n.w.after(at.Sub(n.clock()), func() {
			if alarm == n.alarm {
				n.turn()
			}
		})
	}
}
