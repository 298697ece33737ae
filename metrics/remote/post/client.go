package post

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/metrics/plainhttp"
)

// ErrUnusual says that there is an answer which this package does not read.
var ErrUnusual = plainhttp.ErrUnusual

// maxIdle is how long a connection may be idle before it is closed.
const maxIdle = 5 * time.Minute

// Dial connects to an address, like net.Dialer.DialContext.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// A Request is what is sent. It is not kept.
type Request struct {
	Fields  string // header lines, each with its CRLF; without Host and Content-Length
	Body    []byte
	Timeout time.Duration // for everything, until the end of the answer

	// See is told each field of the answer that says nothing about its length.
	// The slices are valid during the call.
	See func(name, val []byte)
}

// An Answer is what came back.
type Answer struct {
	Code int    // 200 to 299, or 400 and more
	Body []byte // its beginning, as far as it came: up to 64 KiB and a little
}

// A Client posts to one address. Any number of goroutines may use it.
type Client struct {
	addr string // host:port
	head string // the first lines
	dial Dial

	mu     sync.Mutex
	idle   []*conn // the one used last at the end
	closed bool    // no connection is kept any more
}

// New returns a client for u, which Plain must have accepted.
func New(u *url.URL, dial Dial) *Client {
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "80")
	}
	return &Client{
		addr: addr, dial: dial,
		head: "POST " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n",
	}
}

// Plain reports whether u can be asked by a Client: with http, and with a host
// that is written in the head as it is.
func Plain(u *url.URL) bool {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7F || strings.ContainsRune(`%"<>\^{|}`+"`", r) }
	return u.Scheme == "http" && u.Hostname() != "" && u.User == nil && u.Opaque == "" &&
		!strings.ContainsFunc(u.Host, odd) && !strings.HasSuffix(u.Host, ":") &&
		!strings.ContainsFunc(u.RequestURI(), func(r rune) bool { return r <= ' ' || r == 0x7F })
}

// Close closes the idle connections, and the others when they become idle. Post
// still works afterwards, with a new connection each time.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	closeAll(idle)
}

// Post sends r and waits for the answer, for r.Timeout or until ctx is done. The
// error is ErrUnusual, context.DeadlineExceeded, that of ctx, or one of the
// network.
func (c *Client) Post(ctx context.Context, r Request) (Answer, error) {
	deadline := time.Now().Add(r.Timeout)
	a, err := c.post(ctx, &r, deadline, c.take())
	if errors.Is(err, errDead) {
		a, err = c.post(ctx, &r, deadline, nil)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.DeadlineExceeded
	}
	return a, err
}

// post makes one attempt, over k or a new connection.
func (c *Client) post(ctx context.Context, r *Request, deadline time.Time, k *conn) (a Answer, err error) {
	if k == nil {
		if k, err = c.connect(ctx, deadline); err != nil {
			return Answer{}, err
		}
	}
	_ = k.SetDeadline(deadline) // only fails on a closed connection, as does the write
	stop := context.AfterFunc(ctx, func() { _ = k.SetDeadline(time.Unix(1, 0)) })
	a, keep, err := k.exchange(ctx, c.head, r)
	if stop() && keep {
		c.put(k)
	} else {
		_ = k.Close() // what went wrong is known by now
	}
	return a, err
}

// connect makes a new connection.
func (c *Client) connect(ctx context.Context, deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	nc, err := c.dial(ctx, "tcp", c.addr)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return newConn(nc), nil
}

// take returns an idle connection, or nil.
func (c *Client) take() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 || time.Since(c.idle[n-1].since) >= maxIdle {
		return nil
	}
	k := c.idle[n-1]
	c.idle[n-1] = nil
	c.idle = c.idle[:n-1]
	k.used = true
	return k
}

// put keeps k for the next request, and closes those that were idle for long.
func (c *Client) put(k *conn) {
	k.since = time.Now()
	c.mu.Lock()
	var old []*conn
	if c.closed {
		old = []*conn{k}
	} else {
		n := 0
		for n < len(c.idle) && k.since.Sub(c.idle[n].since) >= maxIdle {
			n++
		}
		old = append(old, c.idle[:n]...)
		c.idle = append(c.idle[n:], k)
	}
	c.mu.Unlock()
	closeAll(old)
}

// closeAll closes idle connections, of which nothing more is to be heard.
func closeAll(list []*conn) {
	for _, k := range list {
		_ = k.Close()
	}
}
