package member

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
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
	c.Logger = log.New(&logLines{log: n.log}, "", 0)
	return c
}

// logLines passes memberlist's lines on at the level that they name. Strangers
// can cause them: of lines that differ only in where they come from, one is
// worth a warning in a while.
type logLines struct {
	log *slog.Logger

	mu     sync.Mutex
	warned map[string]time.Time // by the text without the address
}

const (
	quietFor  = time.Minute // between two warnings of one kind
	maxWarned = 100         // kinds that are remembered
)

// again reports whether text was a warning shortly before.
func (l *logLines) again(text string) bool {
	kind, _, _ := strings.Cut(text, " from=")
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.warned[kind]; ok && now.Sub(last) < quietFor {
		return true
	}
	if l.warned == nil || len(l.warned) >= maxWarned {
		l.warned = map[string]time.Time{}
	}
	l.warned[kind] = now
	return false
}

// Write logs one line.
func (l *logLines) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelDebug
	for prefix, at := range map[string]slog.Level{"[WARN]": slog.LevelWarn, "[ERR]": slog.LevelWarn, "[INFO]": slog.LevelDebug, "[DEBUG]": slog.LevelDebug} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, level = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "memberlist:")), at
		}
	}
	if level == slog.LevelWarn && l.again(text) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text, "by", "gossip")
	return len(line), nil
}

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
		// It waits for peers to have it, which is no use: that it took the
		// update shows in NotifyUpdate, at once.
		_ = n.list.UpdateNode(time.Millisecond)
		n.mu.Lock()
		done := n.gossiped == string(*n.metadata.Load())
		n.mu.Unlock()
		if !done {
			if !sleep(ctx, tickEvery) {
				return
			}
			signal(n.renew)
		}
	}
}
