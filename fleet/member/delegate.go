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
		d.n.log.Debug("gossip message not understood", "err", err)
		return
	}
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
	return d.n.queue.GetBroadcasts(overhead, limit)
}

// LocalState returns the states that a peer is told in a push/pull.
func (d delegate) LocalState(bool) []byte {
	d.n.mu.Lock()
	defer d.n.mu.Unlock()
	return d.n.states.Snapshot().Encode()
}

// MergeRemoteState takes the states that a peer told in a push/pull.
func (d delegate) MergeRemoteState(b []byte, _ bool) {
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
func (d delegate) NotifyUpdate(peer *memberlist.Node) { d.learn(peer) }

func (d delegate) learn(peer *memberlist.Node) {
	if peer.Name == d.n.cfg.Name {
		return
	}
	e, err := roster.DecodeMetadata(peer.Meta, peer.Name, peer.Address())
	d.n.decide(func(now time.Time) {
		d.n.known[peer.Name] = err == nil
		if err == nil {
			d.n.roster.Learn(now, e)
		}
		d.n.countForeign(now)
	})
}

// NotifyLeave notes that a member left or was given up.
func (d delegate) NotifyLeave(peer *memberlist.Node) {
	if peer.Name == d.n.cfg.Name {
		return
	}
	left := peer.State == memberlist.StateLeft
	e, err := roster.DecodeMetadata(peer.Meta, peer.Name, peer.Address())
	d.n.decide(func(now time.Time) {
		delete(d.n.known, peer.Name)
		d.n.states.Leave(peer.Name)
		if err == nil && !left && !d.n.stale() {
			d.n.roster.Doubt(now, peer.Name, e.Instance)
		}
		d.n.roster.SetForeign(now, peer.Name, false)
	})
}

// countForeign tells the roster which nodes of other software take part. It
// needs mu.
func (n *Node) countForeign(now time.Time) {
	for name, ours := range n.known {
		n.roster.SetForeign(now, name, !ours && n.states.Of(name) == ckit.Participant)
	}
}

// AckPayload is what every answer to a ping says of this node.
func (d delegate) AckPayload() []byte {
	return roster.EncodePulse(d.n.pulse())
}

func (n *Node) pulse() roster.Pulse {
	return roster.Pulse{Instance: n.self, Clock: time.Now().Round(0), Digest: n.digest.Load()}
}

// NotifyPingComplete notes what a peer said of itself.
func (d delegate) NotifyPingComplete(peer *memberlist.Node, rtt time.Duration, payload []byte) {
	if p, err := roster.DecodePulse(payload); err == nil {
		d.n.decide(func(now time.Time) { d.n.roster.Compare(now, peer.Name, p, rtt) })
	}
}

// NotifyMerge refuses to meet a cluster in which a living node at another
// address has a name that is taken here.
func (d delegate) NotifyMerge(peers []*memberlist.Node) error {
	taken := map[string]string{d.n.cfg.Name: d.n.cfg.Advertise.String()}
	if d.n.list != nil {
		for _, m := range d.n.list.Members() {
			taken[m.Name] = m.Address()
		}
	}
	for _, p := range peers {
		if at, ok := taken[p.Name]; ok && p.State == memberlist.StateAlive && at != p.Address() {
			return fmt.Errorf("node name %q is taken by %s; %s must have another one", p.Name, at, p.Address())
		}
	}
	return nil
}

// NotifyConflict notes that two addresses claim one name.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	d.n.log.Error("two nodes have one name; give each its own with --cluster.node-name",
		"name", existing.Name, "addr", existing.Address(), "other", other.Address())
}

// broadcast gossips a statement for other software.
func (n *Node) broadcast(st ckit.Statement) { n.queue.QueueBroadcast(statement{st}) }

// A statement is a broadcast that replaces an earlier one about the same node.
type statement struct{ ckit.Statement }

// Invalidates is never asked, for Name is.
func (s statement) Invalidates(memberlist.Broadcast) bool { return false }

// Name says which statements replace each other.
func (s statement) Name() string { return s.Node }

// Message returns the bytes to gossip.
func (s statement) Message() []byte { return s.Encode() }

// Finished does nothing: nobody waits for a statement.
func (s statement) Finished() {}
