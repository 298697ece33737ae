package member

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// seek looks for peers until some are found, and again every Rejoin.
func (n *Node) seek(ctx context.Context) {
	if n.cfg.Peers == nil {
		return
	}
	wait := time.Second
	for {
		found := n.join(ctx)
		switch {
		case found && n.cfg.Rejoin == 0:
			return
		case found:
			wait = n.cfg.Rejoin
		default:
			wait = min(2*wait, 15*time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// join asks some of the peers that can be looked up to take this node in. It
// reports whether it has met anybody.
func (n *Node) join(ctx context.Context) bool {
	peers, err := n.cfg.Peers(ctx)
	if err != nil {
		n.log.Warn("peers not found; this node goes on without them and looks again", "err", err)
		return false
	}
	peers = slices.DeleteFunc(slices.Clone(peers), func(p string) bool { return p == n.cfg.Advertise.String() })
	if len(peers) == 0 {
		return true
	}
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	if n.cfg.MaxPeers > 0 {
		peers = peers[:min(len(peers), n.cfg.MaxPeers)]
	}
	met, err := n.list.Join(peers)
	if met == 0 {
		n.log.Warn("no peer could be joined; this node goes on alone and tries again", "peers", peers, "err", err)
		return false
	}
	for _, p := range peers {
		n.sync(ctx, p)
	}
	return true
}

// heal keeps in touch with nodes that were there once: every few seconds it
// tries one that is missing. So the parts of a partition find each other
// again, without DNS.
func (n *Node) heal(ctx context.Context) {
	remembered := n.recall()
	ticker := time.NewTicker(healEvery)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		living := n.peers.Load()
		if addPeers(remembered, living) {
			n.remember(remembered)
		}
		if addr := missing(remembered, living, turn); addr != "" && n.sync(ctx, addr) == nil {
			if _, err := n.list.Join([]string{addr}); err != nil {
				n.log.Debug("missing peer answers but does not join", "peer", addr, "err", err)
			}
		}
	}
}

// addPeers notes the addresses of living peers by name. It reports whether
// any is new.
func addPeers(remembered map[string]string, living []roster.Entry) (news bool) {
	for _, e := range living {
		if remembered[e.Name] != e.Addr {
			remembered[e.Name] = e.Addr
			news = true
		}
	}
	return news
}

// missing returns the address of one remembered peer that is not among the
// living, another one each turn, or "".
func missing(remembered map[string]string, living []roster.Entry, turn int) string {
	var list []string
	for name, addr := range remembered {
		if !slices.ContainsFunc(living, func(e roster.Entry) bool { return e.Name == name }) {
			list = append(list, addr)
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return list[turn%len(list)]
}

const peersFile = "peers.json"

// recall returns the peers of the process before this one.
func (n *Node) recall() map[string]string {
	peers := map[string]string{}
	if n.cfg.Dir == "" {
		return peers
	}
	if b, err := os.ReadFile(filepath.Join(n.cfg.Dir, peersFile)); err == nil {
		if err := json.Unmarshal(b, &peers); err != nil {
			n.log.Warn("remembered peers not understood; going on without them", "err", err)
		}
	}
	return peers
}

// remember writes the peers for the process after this one.
func (n *Node) remember(peers map[string]string) {
	if n.cfg.Dir == "" {
		return
	}
	b, _ := json.Marshal(peers)
	name := filepath.Join(n.cfg.Dir, peersFile)
	err := errors.Join(os.MkdirAll(n.cfg.Dir, 0o750), os.WriteFile(name+".new", b, 0o640), os.Rename(name+".new", name))
	if err != nil {
		n.log.Warn("peers not remembered", "err", err)
	}
}
