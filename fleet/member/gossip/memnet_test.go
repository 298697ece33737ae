package gossip

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"github.com/divvy-collector/divvy/internal/memnet"
)

// A memNet is a network in memory with what these tests want of it: nodes, and
// processes that are stopped.
type memNet struct{ *memnet.Net }

func newMemNet() memNet { return memNet{memnet.New()} }

// tcpAddr parses host:port.
func tcpAddr(addr string) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))
}

// swallow accepts connections at addr and never answers, like a process that
// is stopped: what is written to it vanishes.
func (n memNet) swallow(t *testing.T, addr string) {
	l := n.Listen(addr)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				var buf [4096]byte
				for {
					if _, err := c.Read(buf[:]); err != nil {
						c.Close()
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
}

// bothProtocols are those of the listener of a node without TLS.
func bothProtocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

// node starts a Transport with a server at addr. It is shut down with the
// test, or by calling stop before.
func (n memNet) node(t *testing.T, addr string, cfg Config) (tr *Transport, stop func()) {
	cfg.Advertise = netip.MustParseAddrPort(addr)
	cfg.Dial = n.Dialer(cfg.Advertise.Addr().String())
	tr = New(cfg)
	srv := &http.Server{Handler: tr.Handler(), Protocols: bothProtocols()}
	l := n.Listen(addr)
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	stop = sync.OnceFunc(func() {
		_ = tr.Shutdown()
		_ = srv.Close()
		wg.Wait()
	})
	t.Cleanup(stop)
	return tr, stop
}
