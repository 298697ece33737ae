package member

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
)

// gossipConfig is memberlist's configuration: what Grafana Alloy's nodes have,
// but for packets of 8 KiB and for pings over streams, which only find more
// nodes alive.
func (n *Node) gossipConfig() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = n.cfg.Name
	c.Label = n.cfg.Cluster
	c.SecretKey = derive(n.cfg.Secret, gossipKey)
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

// broadcast gossips a statement for other software. A node that was displaced
// would make it in another's name.
func (n *Node) broadcast(st ckit.Statement) {
	n.meters.broadcasts.Inc()
	n.queue.QueueBroadcast(statement{st})
}

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

// renewMetadata gossips the metadata after each change. memberlist may drop an
// update that races with a refutation of its own, so it is done again until
// the gossip has it.
func (n *Node) renewMetadata(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.renew:
		}
		err := n.list.UpdateNode(leaveTimeout)
		n.mu.Lock()
		done := err == nil && n.gossiped == string(*n.metadata.Load())
		n.mu.Unlock()
		if !done {
			if !sleep(ctx, tickEvery) {
				return
			}
			signal(n.renew)
		}
	}
}
