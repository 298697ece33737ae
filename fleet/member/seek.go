package member

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

const (
	maxBackoff    = 15 * time.Second // between two attempts to find peers
	nameRetry     = time.Second      // between two attempts while the name is taken
	rememberedMax = 32               // remembered peers to try when none can be looked up
)

// seek looks for peers until some are found, and again every Rejoin. While
// another process has this node's name it tries every second.
func (n *Node) seek(ctx context.Context) {
	if n.cfg.Peers == nil {
		return
	}
	wait := time.Second
	for {
		found := n.join(ctx)
		if n.Stage() == roster.Displaced {
			n.meters.event(eventConflict) // the name was still taken
		}
		wait = min(2*wait, maxBackoff)
		if found {
			wait = n.cfg.Rejoin
		}
		for next := time.Now().Add(wait); ; {
			if !sleep(ctx, nameRetry) {
				return
			}
			due := time.Now().After(next) && (!found || n.cfg.Rejoin > 0)
			if due || n.Stage() == roster.Displaced {
				break
			}
		}
	}
}

// join asks some of the peers that can be looked up, or else are remembered,
// to take this node in: first by letters, which tell whether its name is
// taken, then in the gossip. It reports whether it met somebody or has nobody
// to meet.
func (n *Node) join(ctx context.Context) bool {
	peers, why := n.lookUp(ctx)
	met, err := n.syncAny(ctx, peers)
	if met {
		n.found(nil)
	}
	if len(peers) > 0 {
		joined, joinErr := n.list.Join(peers)
		met = met || joined > 0
		err = errors.Join(err, joinErr)
	}
	switch {
	case met || why == nil && len(peers) == 0:
		n.found(nil)
		return true
	case why == nil:
		why = err
	}
	if ctx.Err() == nil {
		n.log.Warn("no peer found; this node goes on without and tries again", "peers", peers, "err", why)
		n.found(why)
	}
	return false
}

// found notes that peers were looked for, and why none was found.
func (n *Node) found(why error) {
	n.decide(func(now time.Time) {
		n.sought = true
		n.alone = ""
		if why != nil {
			n.alone = why.Error()
		}
		n.tryReady(now)
	})
}

// lookUp returns addresses to try, without this node's own.
func (n *Node) lookUp(ctx context.Context) ([]string, error) {
	peers, err := n.cfg.Peers(ctx)
	limit := n.cfg.MaxPeers
	if err != nil {
		peers, limit = slices.Sorted(maps.Values(n.recall())), rememberedMax
	}
	peers = slices.DeleteFunc(slices.Clone(peers), func(p string) bool { return p == n.cfg.Advertise.String() })
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	if limit > 0 {
		peers = peers[:min(len(peers), limit)]
	}
	return peers, err
}

// syncAny exchanges entries with all of the peers at once. It reports whether
// any answered.
func (n *Node) syncAny(ctx context.Context, peers []string) (bool, error) {
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() { errs[i] = n.sync(ctx, p) })
	}
	wg.Wait()
	return slices.Contains(errs, nil), errors.Join(errs...)
}

// heal keeps in touch with nodes that were there once: every few seconds it
// tries one that is missing. So the parts of a partition find each other
// again, without DNS.
func (n *Node) heal(ctx context.Context) {
	remembered := n.recall()
	for turn := 0; sleep(ctx, healEvery); turn++ {
		n.mu.Lock()
		living := n.roster.Living(time.Now().Round(0))
		n.mu.Unlock()
		if addPeers(remembered, living) {
			n.remember(remembered)
		}
		if addr := missing(remembered, living, turn); addr != "" {
			_ = n.sync(ctx, addr)
		}
		if addr := n.ungossiped(living, turn); addr != "" {
			if _, err := n.list.Join([]string{addr}); err != nil {
				n.log.Debug("peer answers but does not gossip", "peer", addr, "err", err)
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
	lives := map[string]bool{}
	for _, e := range living {
		lives[e.Name] = true
	}
	var list []string
	for name, addr := range remembered {
		if !lives[name] {
			list = append(list, addr)
		}
	}
	return nth(list, turn)
}

// ungossiped returns the address of one living peer that is not in the gossip
// at that address, another one each turn, or "".
func (n *Node) ungossiped(living []roster.Entry, turn int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, e := range living {
		if n.known[e.Name].addr != e.Addr && e.Name != n.cfg.Name {
			list = append(list, e.Addr)
		}
	}
	return nth(list, turn)
}

// nth returns one element of the sorted list, another one each turn, or "".
func nth(list []string, turn int) string {
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return list[turn%len(list)]
}

const peersFile = "peers.json"

// recall returns the addresses of peers by name, as they were last remembered.
func (n *Node) recall() map[string]string {
	peers := map[string]string{}
	if n.cfg.Dir == "" {
		return peers
	}
	if b, err := os.ReadFile(filepath.Join(n.cfg.Dir, peersFile)); err == nil {
		if err := json.Unmarshal(b, &peers); err != nil || peers == nil {
			n.log.Warn("remembered peers not understood; going on without them", "err", err)
			return map[string]string{}
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
