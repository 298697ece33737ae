package member

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

const (
	maxBackoff    = 15 * time.Second       // between two attempts to find peers
	nameRetry     = time.Second            // between two attempts while the name is taken
	meetPatience  = 3 * time.Second        // at the start: how long peers that are named may take to listen
	meetRetry     = 250 * time.Millisecond // between two attempts meanwhile
	rememberedMax = 32                     // remembered peers to try when none can be looked up
)

// A meeting is what came of looking for peers.
type meeting uint8

const (
	met    meeting = iota // somebody answered
	away                  // this node was stopped and does not ask before it has withdrawn
	nobody                // there is nobody to meet yet
	silent                // nobody listens where peers should be
	failed                // no peer can be looked up, or none takes this node in
)

// seek looks for peers until some are found, and again every Rejoin. While
// another process has this node's name it tries every second.
//
// Nodes that are started together do not listen at the same instant. So that
// each does not begin a cluster of its own, one whose peers are named waits a
// moment for one of them.
func (n *Node) seek(ctx context.Context) {
	if n.cfg.Peers == nil {
		return
	}
	begin, wait := time.Now(), time.Second
	for {
		m := n.join(ctx, time.Since(begin) < meetPatience)
		if n.Stage() == roster.Displaced {
			n.meters.event(eventConflict) // the name was still taken
		}
		pause := wait
		switch {
		case m == met:
			pause = n.cfg.Rejoin
		case m == away, m == silent && time.Since(begin) < meetPatience:
			pause = meetRetry
		default:
			wait = min(2*wait, maxBackoff)
		}
		if !n.pauseSeeking(ctx, pause, m) {
			return
		}
	}
}

// pauseSeeking waits until peers are to be looked for again. It returns false
// if ctx is done before.
func (n *Node) pauseSeeking(ctx context.Context, pause time.Duration, m meeting) bool {
	for next := time.Now().Add(pause); ; {
		if !sleep(ctx, min(nameRetry, max(pause, meetRetry))) {
			return false
		}
		due := !time.Now().Before(next) && (m != met || n.cfg.Rejoin > 0)
		if due || n.Stage() == roster.Displaced {
			return true
		}
	}
}

// join asks some of the peers that can be looked up, or else are remembered,
// to take this node in. While it may wait, peers that do not listen yet are no
// reason to go on without.
func (n *Node) join(ctx context.Context, mayWait bool) meeting {
	peers, why := n.lookUp(ctx)
	m, reasons := n.meetAny(ctx, peers)
	switch {
	case m == met:
		n.found(met, nil)
		return met
	case ctx.Err() != nil, m == away:
		return m // says nothing about the peers
	case len(peers) == 0 && why == nil:
		n.tellAlone(nobody, "")
		n.found(nobody, nil)
		return nobody
	case m == silent && why == nil && mayWait:
		return m
	case why != nil:
		m, reasons = failed, append([]string{why.Error()}, reasons...)
	}
	text := strings.Join(reasons, "; ")
	n.tellAlone(m, text)
	n.found(m, errors.New(text))
	return m
}

// meetAny tries all of the peers at once. It returns met if any took this node
// in, away if this node was stopped meanwhile, silent if nobody answered at
// all, and why each did not.
func (n *Node) meetAny(ctx context.Context, peers []string) (meeting, []string) {
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() { errs[i] = n.meet(ctx, p) })
	}
	wg.Wait()
	m, reasons := silent, []string(nil)
	for i, err := range errs {
		if err == nil {
			return met, nil
		}
		if errors.Is(err, errStale) {
			return away, nil
		}
		var op *net.OpError
		if !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &op) && op.Op == "dial") {
			m = failed
		}
		reasons = append(reasons, peers[i]+": "+oneLine(err))
	}
	slices.Sort(reasons)
	return m, reasons
}

// meet exchanges entries with a peer, which tells whether this node's name is
// taken, and joins its gossip. Nodes of other software only know the latter.
func (n *Node) meet(ctx context.Context, addr string) error {
	err := n.sync(ctx, addr)
	var no refusal
	if errors.As(err, &no) {
		return err
	}
	joined, joinErr := n.list.Join([]string{addr})
	switch {
	case err == nil || joined > 0:
		return nil
	case errors.Is(err, errNoLetters):
		return fmt.Errorf("it is no node of a cluster, or of other software and does not take this one in: %w", joinErr)
	}
	return err
}

// tellAlone says that this node goes on without peers: calmly while that may
// be because it is the first, and again only if the reason has changed or it
// has lasted.
func (n *Node) tellAlone(m meeting, why string) {
	now := time.Now()
	n.mu.Lock()
	if n.aloneSince.IsZero() {
		n.aloneSince = now
	}
	long := cmp.Or(n.cfg.Rejoin, time.Minute)
	lasting := m != nobody && now.Sub(n.aloneSince) >= long
	news := n.aloneTold.IsZero() || m != n.aloneAs || lasting && now.Sub(n.aloneTold) >= long
	if news {
		n.aloneTold, n.aloneAs = now, m
	}
	n.mu.Unlock()
	switch {
	case !news:
	case m == nobody:
		n.log.Info("no other node is known yet; this one begins the cluster")
	case m == silent && !lasting:
		n.log.Info("no peer answers yet; this node goes on without and tries again", "why", why)
	default:
		n.log.Warn("no peer found; this node goes on without and tries again", "why", why)
	}
}

// oneLine returns an error's text without line breaks, and without the request
// that it happened to.
func oneLine(err error) string {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch {
	case strings.Contains(text, "http2: client connection lost"):
		return "it takes connections and answers nothing: " + text
	case strings.HasSuffix(text, "EOF"):
		return "it ends the connection without an answer, as who expects TLS does: " + text
	case strings.Contains(text, "http2:"):
		return "something else than HTTP/2 is spoken there: " + text
	}
	return text
}

// found notes that peers were looked for, and why none was found.
func (n *Node) found(m meeting, why error) {
	n.decide(func(now time.Time) {
		n.sought = true
		n.alone = ""
		if why != nil {
			n.alone = why.Error()
		}
		if m == met {
			n.aloneSince, n.aloneTold = time.Time{}, time.Time{}
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
