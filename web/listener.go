package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Listener accepts connections from the network and from this process, under
// settings that Apply replaces. Any number of goroutines may use it.
//
// Whether a connection speaks TLS is decided when it is accepted, whether a
// request needs a password when it is made. So turning TLS on does not close the
// port, and a new password counts at once, on old connections too.
type Listener struct {
	public net.Listener
	memory *memoryListener
	addr   string // that Dial takes for the memory listener
	peers  []byte // authorities that sign the certificates of peers, PEM; nil: peers show none
	access atomic.Pointer[access]
}

// access is what the http block says, ready to use. It is replaced, never
// changed.
type access struct {
	opts   Options        // as applied, for Refresh
	tls    *tls.Config    // nil: plain HTTP
	users  *x509.CertPool // who signs the certificates of users; nil: TLS has seen to it
	basic  *BasicOptions
	filter *FilterOptions // nil: everything needs authentication
}

// Listen binds addr (host:port, port 0 for a free one) and takes memoryAddr as
// the address that Dial connects to this listener without a network.
func Listen(addr, memoryAddr string) (*Listener, error) {
	public, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is in use by another program; "+
			"stop it, or choose a port with --server.http.listen-addr", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	l := &Listener{public: public, memory: newMemoryListener(memoryAddr), addr: memoryAddr}
	l.access.Store(&access{})
	return l, nil
}

// Addr returns the address that the network reaches.
func (l *Listener) Addr() string { return l.public.Addr().String() }

// Close stops accepting. Connections that are open stay open. It may be called
// again.
func (l *Listener) Close() error {
	err := l.public.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.memory.Close())
}

// Dial connects like net.Dialer.DialContext, and to this listener for its memory
// address.
func (l *Listener) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr == l.addr {
		return l.memory.dial(ctx)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// Apply makes opts, which are valid, the settings for connections and requests
// from now on. If a file cannot be used it returns an error and changes nothing.
func (l *Listener) Apply(opts Options) error {
	next := &access{opts: opts}
	if opts.TLS != nil {
		cfg, err := opts.TLS.config()
		if err != nil {
			return err
		}
		next.tls = cfg
	}
	if l.peers != nil {
		if err := next.admitPeers(l.peers); err != nil {
			return err
		}
	}
	if opts.Auth != nil {
		next.basic, next.filter = opts.Auth.Basic, opts.Auth.Filter
	}
	l.access.Store(next)
	return nil
}

// Refresh reads the files of the settings again: a certificate may have been
// renewed under the same name. If one cannot be used it returns an error and
// changes nothing.
func (l *Listener) Refresh() error { return l.Apply(l.access.Load().opts) }

// A publicListener speaks TLS on the connections of its Listener while that is
// set to.
type publicListener struct{ *Listener }

// Accept returns the next connection from the network.
func (p publicListener) Accept() (net.Conn, error) {
	conn, err := p.public.Accept()
	if err != nil {
		return nil, err
	}
	if cfg := p.access.Load().tls; cfg != nil {
		// The handshake happens with the first read, in the goroutine of the
		// connection: a client that is slow at it keeps nobody waiting.
		return tls.Server(conn, cfg), nil
	}
	return conn, nil
}

// Close stops accepting from the network.
func (p publicListener) Close() error { return p.public.Close() }

// Addr returns the address that the network reaches.
func (p publicListener) Addr() net.Addr { return p.public.Addr() }

// authenticate lets requests through to next that need no authentication or
// have it. It holds for requests from memory too.
func (l *Listener) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := l.access.Load()
		if !a.knows(r) {
			http.Error(w, "the client certificate is not one for users of the http block", http.StatusForbidden)
			return
		}
		if a.admits(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	})
}

// admits reports whether r may pass.
func (a *access) admits(r *http.Request) bool {
	if a.basic == nil || !a.filter.guards(r.URL.Path) {
		return true
	}
	name, password, ok := r.BasicAuth()
	// Both are compared, whatever the first says: time tells nothing.
	sameName := sameText(name, a.basic.Username)
	samePassword := sameText(password, string(a.basic.Password))
	return ok && sameName && samePassword
}

// sameText compares in a time that does not depend on the texts.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// guards reports whether urlPath needs authentication. The path is cleaned
// first, because the routes see it that way: /x/../metrics is /metrics. Where a
// path and its parent differ, as with the prefix "/-/" and the path "/-", it is
// taken to be inside.
func (f *FilterOptions) guards(urlPath string) bool {
	if f == nil {
		return true
	}
	clean := path.Clean("/" + urlPath)
	for _, prefix := range f.Paths {
		if strings.HasPrefix(clean, prefix) || strings.HasPrefix(clean+"/", prefix) {
			return f.AuthenticateMatching
		}
	}
	return !f.AuthenticateMatching
}

// A memoryListener hands the far end of every dialled pipe to Accept. It has no
// backlog: a dial waits for Accept, and a write for a read.
type memoryListener struct {
	addr  memoryAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// A memoryAddr is an address inside the process.
type memoryAddr string

// Network names the kind of address.
func (memoryAddr) Network() string { return "memory" }

// String returns host:port.
func (a memoryAddr) String() string { return string(a) }

func newMemoryListener(addr string) *memoryListener {
	return &memoryListener{addr: memoryAddr(addr), conns: make(chan net.Conn), done: make(chan struct{})}
}

// dial returns once the connection was accepted.
func (m *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.conns <- far:
		return near, nil
	case <-m.done:
		return nil, fmt.Errorf("dial %s: %w", m.addr, net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: %w", m.addr, ctx.Err())
	}
}

// Accept returns the next dialled connection, or net.ErrClosed.
func (m *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial.
func (m *memoryListener) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

// Addr returns the address that was dialled.
func (m *memoryListener) Addr() net.Addr { return m.addr }
