package gossip

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
)

// A memNet is a network in memory, for synctest bubbles: connections have
// addresses, can be cut, and take no time.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener // by host:port
	conns     map[*memConn]bool
	ports     uint16
}

// A memListener accepts what is dialled at its address.
type memListener struct {
	net    *memNet
	addr   *net.TCPAddr
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

// A memConn is one end of a connection.
type memConn struct {
	net.Conn
	net           *memNet
	local, remote net.Addr
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}

func newMemNet() *memNet {
	return &memNet{listeners: map[string]*memListener{}, conns: map[*memConn]bool{}}
}

// tcpAddr parses host:port.
func tcpAddr(addr string) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))
}

func (n *memNet) listen(addr string) *memListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memListener{net: n, addr: tcpAddr(addr), accept: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Addr() net.Addr { return l.addr }

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.addr.String()] == l {
			delete(l.net.listeners, l.addr.String())
		}
		close(l.done)
	})
	return nil
}

// from returns a dialler whose connections come from host.
func (n *memNet) from(host string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		n.mu.Lock()
		l := n.listeners[addr]
		n.ports++
		local := &net.TCPAddr{IP: net.ParseIP(host), Port: int(n.ports)}
		n.mu.Unlock()
		if l == nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: addrOf(addr), Err: syscall.ECONNREFUSED}
		}
		a, b := net.Pipe()
		near := &memConn{Conn: a, net: n, local: local, remote: l.addr}
		far := &memConn{Conn: b, net: n, local: l.addr, remote: local}
		select {
		case l.accept <- far:
		case <-l.done:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: l.addr, Err: syscall.ECONNREFUSED}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.conns[near], n.conns[far] = true, true
		return near, nil
	}
}

// swallow accepts connections at addr and never answers, like a process that
// is stopped: what is written to it vanishes.
func (n *memNet) swallow(t *testing.T, addr string) {
	l := n.listen(addr)
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
func (n *memNet) node(t *testing.T, addr string, cfg Config) (tr *Transport, stop func()) {
	cfg.Advertise = netip.MustParseAddrPort(addr)
	cfg.Dial = n.from(cfg.Advertise.Addr().String())
	tr = New(cfg)
	srv := &http.Server{Handler: tr.Handler(), Protocols: bothProtocols()}
	l := n.listen(addr)
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
