package post

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A rig is a client with a server to send to.
type rig struct {
	*Client
	t     *testing.T
	conns atomic.Int32 // that the server has accepted
	test  string       // field X-Test of requests
}

// mustParse returns an address that is known to be one.
func mustParse(t *testing.T, addr string) *url.URL {
	t.Helper()
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newRig returns a client over TCP.
func newRig(t *testing.T, serve http.HandlerFunc) *rig {
	t.Helper()
	g := &rig{t: t, test: "1"}
	srv := httptest.NewUnstartedServer(serve)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			g.conns.Add(1)
		}
	}
	srv.Start()
	g.Client = New(mustParse(t, srv.URL+"/push?a=b"), (&net.Dialer{}).DialContext)
	t.Cleanup(func() { g.Close(); srv.Close() })
	return g
}

// send posts body and returns status, field X-Test and text of the answer.
func (g *rig) send(body string, timeout time.Duration) (what string, err error) {
	test := ""
	a, err := g.Post(g.t.Context(), Request{
		Fields: "X-Test: " + g.test + "\r\n", Body: []byte(body), Timeout: timeout,
		See: func(name, val []byte) {
			if string(name) == "X-Test" {
				test = string(val)
			}
		},
	})
	return fmt.Sprintf("%d %s %s", a.Code, test, a.Body), err
}

// echo answers with the request as it came.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.ContentLength != int64(len(body)) {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Test", r.URL.RequestURI()+r.Header.Get("X-Test"))
	fmt.Fprint(w, len(body))
}

func TestBodiesOfAnySizeArriveOverKeptConnections(t *testing.T) {
	g := newRig(t, echo)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for size := 1; size < 20<<20; size *= 7 {
				got, err := g.send(strings.Repeat("a", size-1), 10*time.Second)
				if want := fmt.Sprint("200 /push?a=b1 ", size-1); got != want || err != nil {
					t.Errorf("%s, %v; want %s", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	if n := g.conns.Load(); n > 4 {
		t.Errorf("%d connections for 4 senders", n)
	}
}

func TestAnswersAreToldAndTheNextRequestWorks(t *testing.T) {
	release := make(chan struct{})
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Test") {
		case "hang":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "half":
			c, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Le")
			c.Close()
		case "cut":
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "short")
		case "endless":
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "reset":
			c, _, _ := http.NewResponseController(w).Hijack()
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		case "204":
			w.WriteHeader(http.StatusNoContent)
		case "moved":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		default:
			echo(w, r)
		}
	})
	defer close(release)
	f := func(how, want, wantErr string) {
		t.Helper()
		g.test = how
		timeout := 10 * time.Second
		if how == "hang" {
			timeout = 50 * time.Millisecond
		}
		got, err := g.send("12345", timeout)
		if len(got) > 100 {
			got = got[:8]
		}
		if got != want || !strings.HasSuffix(fmt.Sprint(err), wantErr) {
			t.Errorf("%s: %q, %v; want %q, %s", how, got, err, want, wantErr)
		}
		g.test = "1"
		if got, err := g.send("12345", 10*time.Second); err != nil || got != "200 /push?a=b1 5" {
			t.Errorf("after %s: %s, %v", how, got, err)
		}
	}
	f("hang", "0  ", context.DeadlineExceeded.Error())
	f("half", "0  ", io.ErrUnexpectedEOF.Error())
	f("cut", "400  short", "<nil>")
	f("endless", "500  \x00\x00\x00", "<nil>")
	f("reset", "0  ", "connection reset by peer")
	f("204", "204  ", "<nil>")
	f("moved", "0  ", ErrUnusual.Error())
}

// A server may close a connection while it is idle, or the moment that a
// request is on its way. Neither fails a request.
func TestConnectionsThatDiedAreMadeAnew(t *testing.T) {
	served := make(chan net.Conn, 16)
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nX-Test: a\r\nContent-Length: 2\r\n\r\nok")
		served <- c
	})
	for i := range 20 {
		got, err := g.send("1", 10*time.Second)
		if err != nil || got != "200 a ok" {
			t.Fatalf("request %d: %s, %v", i, got, err)
		}
		c := <-served
		if i%2 == 0 {
			c.(*net.TCPConn).SetLinger(0) // a reset instead of an end
		}
		c.Close()
	}
}

// A server need not read what it refuses.
func TestEarlyAnswersEndTheSending(t *testing.T) {
	ends := make(chan struct{})
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-ends
		c.Close()
	})
	defer close(ends)
	if got, err := g.send(strings.Repeat("a", 50<<20), 10*time.Second); err != nil || got != "413  no" {
		t.Errorf("%s, %v", got, err)
	}
	if len(g.idle) != 0 {
		t.Error("a connection with half a request is kept")
	}
}

func TestCancellingEndsTheWait(t *testing.T) {
	asked := make(chan struct{})
	g := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := g.Post(ctx, Request{Timeout: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want %v", err, context.Canceled)
	}
	if _, err := g.Post(ctx, Request{Timeout: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want %v", err, context.Canceled)
	}
}

func TestOnlyPlainAddressesAreTaken(t *testing.T) {
	f := func(addr string, want bool) {
		t.Helper()
		if got := Plain(mustParse(t, addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	f("http://a:9/b?c=d%20e", true)
	f("http://a", true)
	f("http://[::1]:9/", true)
	f("https://a/", false)
	f("http://a:/", false)
	f("http://u:p@a/", false)
	f("http://ä/", false)
	f("http://[fe80::1%25eth0]/", false)
	f("http:opaque", false)
}

func TestAfterCloseNoConnectionIsKept(t *testing.T) {
	g := newRig(t, echo)
	for range 3 {
		if _, err := g.send("1", 10*time.Second); err != nil {
			t.Error(err)
		}
		g.Close()
	}
	if n := g.conns.Load(); n != 3 || len(g.idle) != 0 {
		t.Errorf("%d connections, %d kept; want 3, 0", n, len(g.idle))
	}
}
