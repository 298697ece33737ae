package member

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/memnet"
)

// A bubble is a cluster of real nodes in a network in memory, in virtual time.
type bubble struct {
	t     *testing.T
	net   *memnet.Net
	peers map[string]*peer

	strangers []func() // end what is no peer
}

// inBubble runs a test in a bubble. memberlist leaves timers behind, which the
// end waits for.
func inBubble(t *testing.T, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, net: memnet.New(), peers: map[string]*peer{}}
		defer func() {
			b.net.Cut(nil)
			for _, p := range b.all() {
				b.kill(p)
			}
			for _, end := range b.strangers {
				end()
			}
			time.Sleep(2 * time.Minute)
		}()
		f(b)
	})
}

// hostOf returns the host of a node "node-7".
func hostOf(name string) string {
	var n int
	fmt.Sscanf(name, "node-%d", &n)
	return fmt.Sprintf("10.0.0.%d", n+1)
}

// start runs a node on its own host, which joins the others.
func (b *bubble) start(name string, change func(*Config)) *peer {
	return b.startAt(name, hostOf(name), change)
}

func (b *bubble) startAt(name, host string, change func(*Config)) *peer {
	b.t.Helper()
	var seeds []string
	for _, p := range b.peers {
		seeds = append(seeds, p.addr)
	}
	slices.Sort(seeds)
	addr := host + ":80"
	cfg := Config{
		Name: name, Cluster: "test", Advertise: netip.MustParseAddrPort(addr), Registry: prometheus.NewRegistry(),
		Peers: func(context.Context) ([]string, error) { return seeds, nil },
		Dial:  b.net.Dialer(host),
	}
	if change != nil {
		change(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	p := &peer{Node: n, addr: addr, done: make(chan struct{})}
	p.server = &http.Server{Handler: n.Handler(), Protocols: new(http.Protocols)}
	p.server.Protocols.SetHTTP1(true)
	p.server.Protocols.SetHTTP2(true)
	p.server.Protocols.SetUnencryptedHTTP2(true)
	l := b.net.Listen(addr)
	if cfg.TLS != nil {
		own := &tls.Config{Certificates: cfg.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}, ClientAuth: tls.RequestClientCert}
		l = tls.NewListener(l, own)
	}
	go p.server.Serve(l)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = sync.OnceFunc(cancel)
	go func() {
		defer close(p.done)
		n.Run(ctx)
	}()
	b.peers[host] = p
	n.Ready()
	return p
}

// kill ends a node without a word.
func (b *bubble) kill(p *peer) {
	p.kill()
	for host, q := range b.peers {
		if p == q {
			delete(b.peers, host)
		}
	}
}

// leave ends a node gracefully.
func (b *bubble) leave(p *peer) {
	b.t.Helper()
	if err := p.Leave(b.t.Context()); err != nil {
		b.t.Error(err)
	}
	p.cancel()
	<-p.done
	if err := p.Close(); err != nil {
		b.t.Error(err)
	}
	b.kill(p)
}

// all returns the nodes that run.
func (b *bubble) all() []*peer {
	var list []*peer
	for _, p := range b.peers {
		list = append(list, p)
	}
	slices.SortFunc(list, func(x, y *peer) int { return cmp.Compare(x.addr, y.addr) })
	return list
}

// settles waits until all nodes agree on n serving ones, at most d.
func (b *bubble) settles(d time.Duration, what string, n int, peers ...*peer) {
	b.t.Helper()
	for begin := time.Now(); !agree(n, peers...)(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > d {
			b.t.Fatalf("not within %s: %s\n%s", d, what, b.state())
		}
	}
}

// exactly is settles for a planned change: all the while, each key is claimed
// by one of the nodes.
func (b *bubble) exactly(d time.Duration, what string, n int, peers ...*peer) {
	b.t.Helper()
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if least, most := claims(peers...); least != 1 || most != 1 {
			b.t.Fatalf("%s: keys are claimed by %d to %d nodes\n%s", what, least, most, b.state())
		}
		switch {
		case agree(n, peers...)():
			return
		case time.Since(begin) > d:
			b.t.Fatalf("not within %s: %s\n%s", d, what, b.state())
		}
	}
}

// claims returns how many nodes serve a key at this instant, at least and at
// most.
func claims(peers ...*peer) (least, most int) {
	now := time.Now()
	least = len(peers)
	for key := range owner.Key(50) {
		key *= 0x9E3779B97F4A7C15
		n := 0
		for _, p := range peers {
			if m, ok := p.View().Load().Owner(key, now); ok && m.Name == p.cfg.Name && !m.Peer {
				n++
			}
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

// Nodes that are started within a moment, each with the names of all, do not
// begin clusters of their own.
func TestNodesStartedTogetherServeNothingTwice(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, func(b *bubble) {
			rnd := rand.New(rand.NewPCG(seed, 4))
			all := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}
			named := func(c *Config) {
				c.Peers, c.Rejoin = func(context.Context) ([]string, error) { return all, nil }, time.Minute
			}
			begin := time.Now()
			for i := range all {
				b.start(fmt.Sprint("node-", i), named)
				time.Sleep(time.Duration(rnd.IntN(1200)) * time.Millisecond)
			}
			for !agree(3, b.all()...)() {
				if _, most := claims(b.all()...); most > 1 {
					t.Fatalf("seed %d: a key is claimed by %d nodes\n%s", seed, most, b.state())
				}
				if time.Since(begin) > 20*time.Second {
					t.Fatalf("seed %d: no cluster\n%s", seed, b.state())
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

// A node whose peers are named and not there waits for them, but not for long;
// one that is named alone does not wait.
func TestTheFirstNodeDoesNotWaitForLong(t *testing.T) {
	f := func(within time.Duration, names ...string) {
		t.Helper()
		inBubble(t, func(b *bubble) {
			p := b.start("node-0", func(c *Config) { c.Peers = func(context.Context) ([]string, error) { return names, nil } })
			b.settles(within, "serves alone", 1, p)
			if missing := p.Health() != nil; missing != (len(names) > 1) {
				t.Errorf("health: %v", p.Health())
			}
		})
	}
	f(100*time.Millisecond, "10.0.0.1:80")
	f(meetPatience+time.Second, "10.0.0.1:80", "10.0.0.2:80")
}

// What a node that was stopped could not ask says nothing about its peers.
func TestStoppedNodeDoesNotMissItsPeers(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.start("node-0", nil)
		b.settles(time.Second, "the cluster", 1, b.all()...)
		n, err := Open(Config{
			Name: "node-1", Cluster: "test", Advertise: netip.MustParseAddrPort("10.0.0.2:80"), Registry: prometheus.NewRegistry(),
			Peers: func(context.Context) ([]string, error) { return []string{"10.0.0.1:80"}, nil },
			Dial:  b.net.Dialer("10.0.0.2"),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		time.Sleep(n.cfg.Stall + time.Second) // it does not run: so it is stopped
		if m := n.join(b.t.Context(), false); m != away {
			t.Errorf("looking for peers comes to %d; want %d", m, away)
		}
		if err := n.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
		n.lease.Renew(time.Now())
		if m := n.join(b.t.Context(), false); m != met {
			t.Errorf("once it runs again it comes to %d; want %d", m, met)
		}
	})
}

// state describes what every node sees.
func (b *bubble) state() string {
	text := ""
	for _, p := range b.all() {
		text += fmt.Sprintf("%s on %s is %s, %v:", p.cfg.Name, p.addr, p.Stage(), p.Health())
		for _, m := range p.View().Load().Members() {
			text += fmt.Sprintf(" %s [%s %s)", m.Name, m.From.Format("05.000"), m.Until.Format("05.000"))
		}
		text += "\n"
	}
	return text
}

// Joins, leaves, deaths, restarts, name conflicts and partitions, drawn from a
// seed: after each, the nodes see one cluster again.
func TestHistoriesOfRealNodes(t *testing.T) {
	histories := 30
	if testing.Short() {
		histories = 1
	}
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(b *bubble) { b.history(seed) })
		})
	}
}

func (b *bubble) history(seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	size := 3 + rnd.IntN(8)
	b.start("node-0", nil)
	b.settles(time.Second, "the first", 1, b.all()...)
	for i := range size - 1 {
		b.start(fmt.Sprint("node-", i+1), nil)
		time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
	}
	b.exactly(20*time.Second, "start", size, b.all()...)
	for range 4 {
		victim := b.all()[rnd.IntN(len(b.peers))]
		switch name := victim.cfg.Name; rnd.IntN(5) {
		case 0:
			left := make(chan struct{})
			all := b.all()
			go func() { defer close(left); b.leave(victim) }()
			b.exactly(6*time.Second, name+" leaves", size-1, all...)
			<-left
			b.settles(time.Second, name+" left", size-1, b.all()...)
		case 1:
			b.kill(victim)
			b.settles(2*time.Second, name+" killed", size-1, b.all()...)
		case 2: // the host is gone; nobody is told
			host := hostOf(name)
			b.net.Cut(func(from, to string) bool { return from == host || to == host })
			rest := slices.DeleteFunc(b.all(), func(p *peer) bool { return p == victim })
			b.settles(5*time.Second, name+" vanished", size-1, rest...)
			b.kill(victim)
			b.net.Cut(nil)
		case 3:
			part := map[string]bool{}
			for _, p := range b.all() {
				part[hostOf(p.cfg.Name)] = rnd.IntN(2) == 0
			}
			b.net.Cut(func(from, to string) bool { return part[from] != part[to] })
			time.Sleep(time.Duration(rnd.IntN(90)) * time.Second)
			b.net.Cut(nil)
			b.settles(30*time.Second, "healed", size, b.all()...)
			continue
		default:
			b.kill(victim)
			time.Sleep(time.Second)
		}
		b.start(victim.cfg.Name, nil)
		b.exactly(15*time.Second, victim.cfg.Name+" is back", size, b.all()...)
	}
}
