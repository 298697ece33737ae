// Package memnet is a network in memory, for tests in synctest bubbles:
// connections have addresses, take no time, are refused where nobody listens,
// and can be cut.
//
// A cut is felt as with TCP: what is written goes nowhere, and nobody is told.
// Unlike TCP, a connection that lost bytes stays dead when the cut has healed;
// whoever uses it has to find out.
package memnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Net is a network. Its methods may be called at the same time.
type Net struct {
	mu        sync.Mutex
	listeners map[string]*listener // by host:port
	ports     uint16
	cut       func(from, to string) bool
}

// New returns a network without listeners.
func New() *Net {
	return &Net{listeners: map[string]*listener{}, cut: func(string, string) bool { return false }}
}

// Cut loses what host from sends to host to, where f says so; nil heals.
func (n *Net) Cut(f func(from, to string) bool) {
	if f == nil {
		f = func(string, string) bool { return false }
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = f
}

func (n *Net) deaf(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut(from, to)
}

// Listen returns a listener at host:port. A second one takes its place.
func (n *Net) Listen(addr string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{net: n, addr: tcpAddr(addr), accept: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l
}

// Dialer returns a function that dials from a host.
func (n *Net) Dialer(host string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) { return n.dial(ctx, host, addr) }
}

func (n *Net) dial(ctx context.Context, host, addr string) (net.Conn, error) {
	parsed, err := netip.ParseAddrPort(addr)
	if err != nil { // nobody listens at a name
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	to := net.TCPAddrFromAddrPort(parsed)
	n.mu.Lock()
	l, cut := n.listeners[addr], n.cut(host, to.IP.String()) || n.cut(to.IP.String(), host)
	n.ports++
	local := &net.TCPAddr{IP: net.ParseIP(host), Port: int(n.ports)}
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: syscall.ECONNREFUSED}
	switch {
	case cut:
		<-ctx.Done()
		return nil, ctx.Err()
	case l == nil:
		return nil, refused
	}
	a, b := net.Pipe()
	dead := &atomic.Bool{}
	near := &conn{Conn: a, net: n, local: local, remote: to, dead: dead}
	far := &conn{Conn: b, net: n, local: to, remote: local, dead: dead}
	select {
	case l.accept <- far:
		return near, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func tcpAddr(addr string) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))
}

// A listener accepts what is dialled at its address.
type listener struct {
	net    *Net
	addr   *net.TCPAddr
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Close() error {
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

// A conn is one end of a connection.
type conn struct {
	net.Conn
	net           *Net
	local, remote *net.TCPAddr
	dead          *atomic.Bool // of both ends: bytes were lost
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Write loses p if the way is cut, or was once.
func (c *conn) Write(p []byte) (int, error) {
	if c.net.deaf(c.local.IP.String(), c.remote.IP.String()) {
		c.dead.Store(true)
	}
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Close closes this end. The other one hears of it, unless the way is cut.
func (c *conn) Close() error {
	if c.dead.Load() || c.net.deaf(c.local.IP.String(), c.remote.IP.String()) {
		c.dead.Store(true)
		return c.SetDeadline(time.Unix(1, 0)) // for this end only; the other one waits
	}
	return c.Conn.Close()
}
