package member

import (
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// A delegate is what memberlist calls. Its methods return at once.
type delegate struct{ n *Node }

// A known is what the gossip said of a member. memberlist's own values may not
// be read outside its callbacks.
type known struct {
	addr string
	life roster.Instance // 0: it is of other software
}

// foreign reports whether the member is of other software.
func (k known) foreign() bool { return k.life == 0 }

// knownOf reads a member as a callback gets it.
func knownOf(m *memberlist.Node) (known, roster.Entry) {
	e, err := roster.DecodeMetadata(m.Meta, m.Name, m.Address())
	if err != nil {
		e.Instance = 0
	}
	return known{addr: m.Address(), life: e.Instance}, e
}

// NodeMeta returns this node's entry for the gossip.
func (d delegate) NodeMeta(limit int) []byte {
	b := *d.n.metadata.Load()
	if len(b) > limit {
		return nil
	}
	return b
}

// NotifyMsg takes a broadcast of other software's kind.
func (d delegate) NotifyMsg(b []byte) {
	st, err := ckit.Decode(b)
	if err != nil {
		d.n.meters.event(eventUnknown)
		d.n.log.Debug("gossip message not understood", "err", err)
		return
	}
	d.n.meters.event(eventState)
	d.n.mu.Lock()
	say, news := d.n.states.Hear(st)
	d.n.mu.Unlock()
	if news {
		d.n.broadcast(say)
		d.n.decide(d.n.countForeign)
	}
}

// GetBroadcasts returns what is to be gossiped.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	d.n.mu.Lock()
	nodes := len(d.n.known) + 1
	d.n.mu.Unlock()
	return d.n.outbox.take(overhead, limit, nodes)
}

// LocalState returns the states that a peer is told in a push/pull.
func (d delegate) LocalState(bool) []byte {
	d.n.meters.event(eventLocal)
	d.n.mu.Lock()
	defer d.n.mu.Unlock()
	return d.n.states.Snapshot().Encode()
}

// MergeRemoteState takes the states that a peer told in a push/pull.
func (d delegate) MergeRemoteState(b []byte, _ bool) {
	d.n.meters.event(eventRemote)
	snapshot, err := ckit.DecodeSnapshot(b)
	if err != nil {
		d.n.log.Debug("states of a peer not understood", "err", err)
		return
	}
	d.n.mu.Lock()
	say := d.n.states.Merge(snapshot)
	d.n.mu.Unlock()
	for _, st := range say {
		d.n.broadcast(st)
	}
	d.n.decide(d.n.countForeign)
}

// NotifyJoin notes a new member.
func (d delegate) NotifyJoin(peer *memberlist.Node) {
	d.n.meters.event(eventJoin)
	d.n.mu.Lock()
	d.n.states.Join(peer.Name)
	hello := d.n.states.Repeat()
	d.n.mu.Unlock()
	if peer.Name != d.n.cfg.Name {
		d.n.broadcast(hello)
	}
	d.learn(peer)
}

// NotifyUpdate notes new metadata of a member.
func (d delegate) NotifyUpdate(peer *memberlist.Node) {
	d.n.meters.event(eventUpdate)
	d.learn(peer)
}

func (d delegate) learn(peer *memberlist.Node) {
	if peer.Name == d.n.cfg.Name {
		d.n.mu.Lock()
		d.n.gossiped = string(peer.Meta)
		d.n.mu.Unlock()
		return
	}
	k, e := knownOf(peer)
	d.n.decide(func(now time.Time) {
		d.n.known[peer.Name] = k
		if k.life != 0 {
			d.n.roster.Learn(now, e)
		}
		d.n.countForeign(now)
	})
}

// NotifyLeave notes that a member left or was given up.
func (d delegate) NotifyLeave(peer *memberlist.Node) {
	d.n.meters.event(eventLeave)
	if peer.Name == d.n.cfg.Name {
		return
	}
	name, left := peer.Name, peer.State == memberlist.StateLeft
	k, _ := knownOf(peer)
	d.n.decide(func(now time.Time) {
		delete(d.n.known, name)
		d.n.states.Leave(name)
		if k.life != 0 && !left && !d.n.stale() {
			d.n.roster.GivenUp(now, name, k.life)
		}
		d.n.roster.SetForeign(now, name, false)
	})
}

// countForeign tells the roster which nodes of other software take part. It
// needs mu.
func (n *Node) countForeign(now time.Time) {
	for name, k := range n.known {
		n.roster.SetForeign(now, name, k.life == 0 && n.states.Of(name) == ckit.Participant)
	}
}

// AckPayload is what every answer to a ping says of this node.
func (d delegate) AckPayload() []byte { return roster.EncodePulse(d.n.pulse()) }

// NotifyPingComplete notes what a peer said of itself.
func (d delegate) NotifyPingComplete(peer *memberlist.Node, rtt time.Duration, payload []byte) {
	if p, err := roster.DecodePulse(payload); err == nil {
		d.n.decide(func(now time.Time) { d.n.roster.Compare(now, peer.Name, p, rtt) })
	}
}

// NotifyMerge refuses to meet a cluster in which a living node at another
// address has a name that is taken here. The gossip may take longer than we do
// to see that a node is dead.
func (d delegate) NotifyMerge(peers []*memberlist.Node) error {
	n, now := d.n, time.Now().Round(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	over := func(name string, k known) bool { return k.life != 0 && n.roster.Ended(now, name, k.life) }
	for _, p := range peers {
		theirs, _ := knownOf(p)
		if p.State != memberlist.StateAlive || over(p.Name, theirs) {
			continue
		}
		if p.Name == n.cfg.Name && theirs.addr != n.cfg.Advertise.String() {
			n.roster.Refused(now)
			n.meters.event(eventConflict)
			return fmt.Errorf("node name %q is taken by %s", p.Name, theirs.addr)
		}
		if ours, ok := n.known[p.Name]; ok && ours.addr != theirs.addr && !over(p.Name, ours) {
			n.meters.event(eventConflict)
			return fmt.Errorf("node name %q is taken by %s; %s must have another one", p.Name, ours.addr, theirs.addr)
		}
	}
	return nil
}

// NotifyConflict notes that two addresses claim one name.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	d.n.meters.event(eventConflict)
	a, _ := knownOf(existing)
	b, _ := knownOf(other)
	now := time.Now().Round(0)
	d.n.mu.Lock()
	back := d.n.roster.Ended(now, existing.Name, a.life) || d.n.roster.Ended(now, other.Name, b.life)
	d.n.mu.Unlock()
	if !back { // else it came back at another address, which the gossip learns later
		d.n.log.Error("two nodes have one name; give each its own with --cluster.node-name",
			"name", existing.Name, "addr", a.addr, "other", b.addr)
	}
}
