package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/telemetry/sinktest"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// A request is what a receiver was sent.
type request struct {
	header   http.Header
	kind     uint8
	points   []sinktest.Point
	metadata []prompb.MetricMetadata
	at       time.Time
}

// A receiver is an HTTP server in memory that takes remote write of both
// versions, decoded by the libraries of others.
type receiver struct {
	t   *testing.T
	url string

	conns  chan net.Conn
	done   chan struct{}
	server *http.Server
	wg     sync.WaitGroup

	mu       sync.Mutex
	idle     *sync.Cond                                  // on mu: active has changed
	active   int                                         // requests being answered
	answer   func(w http.ResponseWriter, r request) bool // writes the answer; false: refused
	requests []request
	got      []sinktest.Point // of requests that were taken
	metadata []prompb.MetricMetadata
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, url: "http://receiver/push", conns: make(chan net.Conn), done: make(chan struct{})}
	r.idle = sync.NewCond(&r.mu)
	r.server = &http.Server{Handler: r}
	r.wg.Go(func() { r.server.Serve(pipeListener{r}) })
	return r
}

// pipeListener hands out the far ends of dialled pipes.
type pipeListener struct{ r *receiver }

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.r.conns:
		return c, nil
	case <-l.r.done:
		return nil, net.ErrClosed
	}
}
func (l pipeListener) Close() error   { return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

func (r *receiver) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case r.conns <- far:
		return near, nil
	case <-r.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *receiver) close() {
	close(r.done)
	r.server.Close()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.active > 0 {
		r.idle.Wait()
	}
}

// enter counts a request that begins or ends.
func (r *receiver) enter(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active += n
	r.idle.Broadcast()
}

// answers replaces how requests are answered; nil takes everything.
func (r *receiver) answers(f func(http.ResponseWriter, request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// answering answers every request with a status; 2xx takes it.
func answering(code int) func(http.ResponseWriter, request) bool {
	return func(w http.ResponseWriter, _ request) bool {
		http.Error(w, fmt.Sprintf("because of %d", code), code)
		return code/100 == 2
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r.enter(1)
	defer r.enter(-1)
	if hr.Method != http.MethodPost {
		return // a page for people, with status 200
	}
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		return
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		r.t.Errorf("decode body: %v", err)
	}
	req := request{header: hr.Header, at: time.Now()}
	if strings.Contains(hr.Header.Get("Content-Type"), Message2) {
		req.kind = wire.KindWrite2
		req.points, err = sinktest.Decode2(raw)
	} else {
		req.kind = wire.KindWrite1
		req.points, req.metadata, err = sinktest.Decode1(raw)
	}
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	answer := r.answer
	r.requests = append(r.requests, req)
	r.mu.Unlock()
	taken := true
	if answer != nil {
		taken = answer(w, req)
	} else if req.kind == wire.KindWrite2 {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(req.points)))
	}
	if taken {
		r.mu.Lock()
		r.got = append(r.got, req.points...)
		r.metadata = append(r.metadata, req.metadata...)
		r.mu.Unlock()
	}
}

func (r *receiver) points() []sinktest.Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sinktest.Point(nil), r.got...)
}

func (r *receiver) seen() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}
