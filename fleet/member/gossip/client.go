package gossip

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/hashicorp/memberlist"
)

// newClient returns a client that speaks HTTP/2 only, with connections of its
// own. A connection whose peer does not answer a ping within two seconds, sent
// after two seconds of silence, is given up: otherwise one that a partition
// has cut would linger for minutes.
func (t *Transport) newClient() *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP2(t.cfg.TLS != nil)
	protocols.SetUnencryptedHTTP2(t.cfg.TLS == nil)
	tr := &http.Transport{
		DialContext:         t.dialTCP,
		Protocols:           &protocols,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  2 * time.Second,
			PingTimeout:      2 * time.Second,
			WriteByteTimeout: 4 * time.Second,
		},
	}
	if t.cfg.TLS != nil {
		tr.TLSClientConfig = t.cfg.TLS.Clone()
	}
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialTCP opens a connection that ends with the epoch it was opened in.
func (t *Transport) dialTCP(ctx context.Context, network, addr string) (net.Conn, error) {
	ep := t.enter()
	if ep == nil {
		return nil, errGate
	}
	defer ep.work.Done()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(ep.ctx, cancel)()
	conn, err := t.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ep.ctx, func() { conn.Close() })
	return &epochConn{conn, stop}, nil
}

// An epochConn is a connection that the end of an epoch closes.
type epochConn struct {
	net.Conn
	forget func() bool // makes the epoch forget it
}

// Close closes the connection.
func (c *epochConn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// request returns a POST of body to a route of the peer at addr.
func (t *Transport) request(ctx context.Context, addr, route string, body io.ReadCloser) *http.Request {
	scheme := "http"
	if t.cfg.TLS != nil {
		scheme = "https"
	}
	r := &http.Request{
		Method:        http.MethodPost,
		URL:           &url.URL{Scheme: scheme, Host: addr, Path: BasePath + route},
		Header:        http.Header{"Content-Type": {ContentType}},
		Body:          body,
		ContentLength: -1,
	}
	return r.WithContext(ctx)
}

// send sends packets to the peer at addr in one request. Packets that waited
// for longer than a send may take are out of date and fail.
func (t *Transport) send(ctx context.Context, addr string, batch []packet) {
	fresh := batch
	for now := time.Now(); len(fresh) > 0 && now.Sub(fresh[0].at) > sendTimeout; {
		fresh = fresh[1:]
	}
	t.meters.txFailed.Add(float64(len(batch) - len(fresh)))
	if len(fresh) == 0 {
		return
	}
	if err := t.post(ctx, addr, fresh); err != nil {
		t.meters.txFailed.Add(float64(len(fresh)))
		t.cfg.Log.Debug("packets not sent", "peer", addr, "packets", len(fresh), "err", err)
		return
	}
	t.meters.sent(fresh)
}

// post sends the frames of a batch, and returns nil once the peer took them.
func (t *Transport) post(ctx context.Context, addr string, batch []packet) error {
	if t.stale() {
		return errGate
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	pieces := make([][]byte, len(batch))
	for i, p := range batch {
		pieces[i] = p.buf
	}
	frames := bytes.Join(pieces, nil)
	body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(frames)), nil }
	first, _ := body()
	r := t.request(ctx, addr, "message", first)
	r.ContentLength, r.GetBody = int64(len(frames)), body
	resp, err := t.packetClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return refusal(resp)
}

// refusal returns nil for a reply that took the request.
func refusal(resp *http.Response) error {
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("peer answered %s", resp.Status)
	case resp.ProtoMajor != 2:
		return fmt.Errorf("peer answered over %s, want HTTP/2", resp.Proto)
	}
	return nil
}

// DialTimeout is DialAddressTimeout for a peer without a name.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream to a. The timeout bounds its whole life,
// not only the opening. It fails if the peer is not reached or refuses.
func (t *Transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ep := t.enter()
	if ep == nil {
		return nil, fmt.Errorf("open stream to %s: %w", a.Addr, errGate)
	}
	defer ep.work.Done()
	ctx, cancel := context.WithTimeout(ep.ctx, timeout)
	body, w := io.Pipe()
	r := t.request(ctx, a.Addr, "stream", body)
	r.GetBody = func() (io.ReadCloser, error) { // for another connection; nothing is written yet
		body, w = io.Pipe()
		return body, nil
	}
	resp, err := t.streamClient.Do(r)
	if err == nil {
		if err = refusal(resp); err != nil {
			resp.Body.Close()
		}
	}
	if err != nil {
		w.Close()
		cancel()
		return nil, fmt.Errorf("open stream to %s: %w", a.Addr, err)
	}
	out := func(frame []byte) error { _, err := w.Write(frame); return err }
	s := t.newStream(resp.Body, out, addrOf(a.Addr))
	ep.work.Go(func() { (&dialed{stream: s, body: resp.Body, w: w, cancel: cancel}).tend(ctx) })
	return s, nil
}

// A dialed is a stream that we opened, with what it must release.
type dialed struct {
	*stream
	body   io.ReadCloser  // of the reply
	w      *io.PipeWriter // into the body of the request
	cancel context.CancelFunc
}

// tend waits for the end of the stream or of ctx and releases everything. A
// stream that was closed while idle ends gently: the peer gets what was
// written, and is waited for until ctx ends. Else it is torn down.
func (d *dialed) tend(ctx context.Context) {
	defer d.body.Close()
	defer d.cancel()
	select {
	case <-d.done:
	case <-ctx.Done():
		if ctx.Err() == context.DeadlineExceeded {
			d.end(os.ErrDeadlineExceeded)
		}
		d.end(errGate)
	}
	if d.ended() == net.ErrClosed && d.writing.TryLock() {
		defer d.writing.Unlock()
		d.w.Close()
		if d.reading.TryLock() {
			defer d.reading.Unlock()
			_, _ = io.Copy(io.Discard, d.body)
		}
	}
	d.w.CloseWithError(net.ErrClosed)
}

// addrOf returns a peer's address as a net.Addr, which has no IP if addr is a
// name or malformed.
func addrOf(addr string) net.Addr {
	ap, _ := netip.ParseAddrPort(addr)
	return net.TCPAddrFromAddrPort(ap)
}
