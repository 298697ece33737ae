//go:build linux

package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A rig is a loop with a server to ask.
type rig struct {
	*Loop
	addr  string
	conns atomic.Int32 // that the server has accepted
	quiet atomic.Int32
}

func newRig(t *testing.T, serve http.HandlerFunc) *rig {
	t.Helper()
	g := new(rig)
	srv := httptest.NewUnstartedServer(serve)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			g.conns.Add(1)
		}
	}
	srv.Start()
	g.addr = srv.Listener.Addr().String()
	g.Loop = New(NewDepot(), (&net.Dialer{}).DialContext, func() { g.quiet.Add(1) })
	t.Cleanup(func() { g.Close(); srv.Close() })
	return g
}

// get asks for uri and waits for the page.
func (g *rig) get(uri string, timeout time.Duration, limit int64) (body string, err error) {
	done := make(chan struct{})
	g.Get(&Request{
		Addr: g.addr, Host: g.addr, URI: uri, Header: "X-Test: 1\r\n", Timeout: timeout,
		Deadline: time.Now().Add(timeout), Limit: limit,
		Done: func(pg Page, e error) {
			body, err = string(pg.Body), e
			g.depot.Discard(pg)
			close(done)
		},
	})
	<-done
	return body, err
}

func TestPagesOfManyComeOverKeptConnections(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Test") != "1" || r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds") != "10" {
			http.Error(w, "header is missing", http.StatusBadRequest)
		}
		fmt.Fprint(w, strings.Repeat(r.URL.RequestURI(), 1+len(r.URL.Path)*500))
	})
	for range 5 {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				uri := fmt.Sprintf("/%d?a=%s", i, strings.Repeat("x", i*i))
				want := strings.Repeat(uri, 1+len(fmt.Sprint("/", i))*500)
				if got, err := g.get(uri, 10*time.Second, 1<<30); err != nil || got != want {
					t.Errorf("%s: %d bytes, %v; want %d bytes", uri, len(got), err, len(want))
				}
			})
		}
		wg.Wait()
	}
	if n := g.conns.Load(); n > 40 {
		t.Errorf("%d connections for 40 requests at a time", n)
	}
}

func TestFailuresAreToldAndTheNextRequestWorks(t *testing.T) {
	release := make(chan struct{})
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/503":
			http.Error(w, "not now", http.StatusServiceUnavailable)
		case "/hang":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/cut":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			fmt.Fprint(w, strings.Repeat("a", 10_000))
		}
	})
	defer close(release)
	f := func(uri string, limit int64, want string) {
		t.Helper()
		timeout := 10 * time.Second
		if uri == "/hang" {
			timeout = 50 * time.Millisecond
		}
		_, err := g.get(uri, timeout, limit)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s: %s; want %s", uri, got, want)
		}
		if body, err := g.get("/", 10*time.Second, 1<<30); err != nil || len(body) != 10_000 {
			t.Errorf("after %s: %d bytes, %v", uri, len(body), err)
		}
	}
	f("/503", 1<<20, "server returned HTTP status 503 Service Unavailable")
	f("/hang", 1<<20, context.DeadlineExceeded.Error())
	f("/cut", 1<<20, "unexpected EOF")
	f("/moved", 1<<20, ErrUnusual.Error())
	f("/", 10_000, ErrBodyLimit.Error())
	f("/", 10_001, "<nil>")
}

// A server may close a connection while it is idle, or the moment that a
// request is on its way. Neither fails a scrape.
func TestConnectionsThatDiedAreMadeAnew(t *testing.T) {
	served := make(chan net.Conn, 16)
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		served <- c
	})
	for i := range 20 {
		if body, err := g.get("/", 10*time.Second, 1<<20); err != nil || body != "ok" {
			t.Fatalf("request %d: %q, %v", i, body, err)
		}
		(<-served).Close()
	}
}

func TestLargeBodiesTakeTurns(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(LargeBytes+LargeBytes/2))
		page := make([]byte, 1<<16)
		for sent := 0; sent < LargeBytes+LargeBytes/2; sent += len(page) {
			w.Write(page)
		}
	})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if body, err := g.get("/", 20*time.Second, 1<<30); err != nil || len(body) != LargeBytes+LargeBytes/2 {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
	wg.Wait()
	if len(g.depot.Large) != 0 {
		t.Errorf("%d places are still taken", len(g.depot.Large))
	}
}

func TestDialErrorsAndForeignConnections(t *testing.T) {
	f := func(dial Dial, want error) {
		t.Helper()
		l := New(NewDepot(), dial, func() {})
		g := &rig{Loop: l, addr: "a:1"}
		if _, err := g.get("/", 10*time.Second, 1); !errors.Is(err, want) {
			t.Errorf("%v; want %v", err, want)
		}
		l.Close()
	}
	f(func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrPermission }, os.ErrPermission)
	f(func(context.Context, string, string) (net.Conn, error) {
		a, b := net.Pipe()
		b.Close()
		return a, nil
	}, ErrUnusual)
}
