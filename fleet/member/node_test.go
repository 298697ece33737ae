package member

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// A peer is a node of a test with the server that answers for it.
type peer struct {
	*Node
	addr   string
	server *http.Server
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs a node on loopback that joins peers.
func start(t *testing.T, name string, join ...string) *peer {
	t.Helper()
	return startWith(t, name, nil, join...)
}

// startWith is start with a configuration that f, unless it is nil, has changed.
func startWith(t *testing.T, name string, f func(*Config), join ...string) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	cfg := Config{
		Name: name, Cluster: "test", Advertise: netip.MustParseAddrPort(addr), Dir: t.TempDir(),
		Peers: func(context.Context) ([]string, error) { return join, nil },
	}
	if f != nil {
		f(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Node: n, addr: addr, done: make(chan struct{})}
	p.server = &http.Server{Handler: n.Handler(), Protocols: new(http.Protocols)}
	p.server.Protocols.SetHTTP1(true)
	p.server.Protocols.SetUnencryptedHTTP2(true)
	go p.server.Serve(l)
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		n.Run(ctx)
	}()
	t.Cleanup(p.kill)
	n.Ready()
	return p
}

// end ends the node after it has left.
func (p *peer) end() {
	p.cancel()
	<-p.done
	p.Close()
	p.server.Close()
}

// kill ends the node without a word.
func (p *peer) kill() {
	p.server.Close()
	p.cancel()
	<-p.done
	p.list.Shutdown()
	p.client.CloseIdleConnections()
}

// within waits until cond holds.
func within(t *testing.T, d time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(begin) > d {
			t.Fatalf("not within %s: %s", d, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// agree reports whether all nodes see the same n serving members.
func agree(n int, peers ...*peer) func() bool {
	return func() bool {
		for _, p := range peers {
			if p.View().Load().Size(time.Now()) != n || p.pulse().Digest != peers[0].pulse().Digest {
				return false
			}
			for key := range owner.Key(50) {
				key *= 0x9E3779B97F4A7C15
				a, _ := p.View().Load().Owner(key, time.Now())
				b, _ := peers[0].View().Load().Owner(key, time.Now())
				if a.Name != b.Name {
					return false
				}
			}
		}
		return true
	}
}

func TestNodesJoinLeaveAndDie(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	a := start(t, "a")
	within(t, 2*time.Second, "a serves alone", agree(1, a))
	b := start(t, "b", a.addr)
	c := start(t, "c", a.addr)
	within(t, 15*time.Second, "three serve", agree(3, a, b, c))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, "two serve after b left", agree(2, a, c))
	b.kill()

	b = start(t, "b", a.addr)
	within(t, 15*time.Second, "b is back", agree(3, a, b, c))
	c.kill()
	took := within(t, 5*time.Second, "c is known dead", agree(2, a, b))
	if took > 2*time.Second {
		t.Errorf("lifelines took %s to tell a death", took)
	}
	t.Log("death known after", took)
	if s := a.Stage(); s != roster.Serving {
		t.Errorf("a is %s", s)
	}
}
