package gossip

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loopback starts a server of tr's routes on 127.0.0.1, without TLS.
func loopback(t *testing.T, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = bothProtocols()
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// client returns a client of one protocol.
func client(t *testing.T, http2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestStatusSaysWhyARequestIsRefused(t *testing.T) {
	tr := New(Config{MaxFrame: 1000})
	t.Cleanup(func() { _ = tr.Shutdown() })
	srv := loopback(t, tr.Handler())
	h1, h2 := client(t, false), client(t, true)
	f := func(c *http.Client, method, route, contentType, body string, want int) {
		t.Helper()
		r, _ := http.NewRequest(method, srv.URL+BasePath+route, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s %s %s %q: %s, want %d", method, route, contentType, body, resp.Status, want)
		}
	}
	for _, route := range []string{"message", "stream"} {
		f(h1, "POST", route, ContentType, "", 505)
		f(h2, "POST", route, "application/json", "", 400)
		f(h2, "POST", route, "", "", 400)
		f(h2, "GET", route, ContentType, "", 405)
	}
	f(h2, "POST", "other", ContentType, "", 404)
	f(h2, "POST", "message", ContentType, "", 200)
	f(h2, "POST", "message", ContentType, "\xcc\x00\x00", 200)
	f(h2, "POST", "message", ContentType, "hello", 400)
	f(h2, "POST", "message", ContentType, "\xcc\x00\x09short", 400)
	f(h2, "POST", "message", ContentType, "\xcc\x03\xe9"+strings.Repeat("x", 1001), 400)
	f(h2, "POST", "message", ContentType, "\xcd\xff\xff\xff\xff", 400)

	tr.reading.Store(readingBytes)
	f(h2, "POST", "message", ContentType, "\xcc\x00\x01x", 503)
	tr.reading.Store(0)
	tr.SetGate(true)
	f(h2, "POST", "message", ContentType, "\xcc\x00\x01x", 503)
	tr.SetGate(false)
	f(h2, "POST", "message", ContentType, "", 200)
	_ = tr.Shutdown()
	f(h2, "POST", "message", ContentType, "", 503)
	f(h2, "POST", "stream", ContentType, "", 503)

	got := []int{metric(tr.meters.refused.WithLabelValues(refusedMalformed)), metric(tr.meters.refused.WithLabelValues(refusedClosed)), metric(tr.meters.rxFailed)}
	if diff := cmp.Diff([]int{2*3 + 4, 3, 5}, got); diff != "" {
		t.Errorf("counters (-want +got)\n%s", diff)
	}
}

// The bytes that we send, as a peer of the other kind sees them.
func TestRequestsOnTheWire(t *testing.T) {
	type seen struct{ proto, method, path, contentType, body string }
	requests := make(chan seen, 1)
	srv := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := seen{r.Proto, r.Method, r.URL.String(), r.Header.Get("Content-Type"), ""}
		if strings.HasSuffix(s.path, "stream") {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
		}
		body, _ := io.ReadAll(r.Body)
		s.body = string(body)
		requests <- s
		_, _ = w.Write([]byte("\xcc\x00\x03pon\xcc\x00\x00\xcd\x00\x00\x00\x01g"))
	}))
	tr := New(Config{Advertise: tcpAddr(addrA).AddrPort()})
	t.Cleanup(func() { _ = tr.Shutdown() })
	addr := srv.Listener.Addr().String()

	_, _ = tr.WriteTo([]byte("ping"), addr)
	want := seen{"HTTP/2.0", "POST", "/api/v1/ckit/transport/message", "application/x.ckit", "\xcc\x00\x04ping"}
	if got := <-requests; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	conn, err := tr.DialTimeout(addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Repeat([]byte("x"), 1<<16)
	for _, b := range [][]byte{[]byte("label"), long} {
		if _, err := conn.Write(b); err != nil {
			t.Error(err)
		}
	}
	conn.Close()
	want.path, want.body = "/api/v1/ckit/transport/stream", "\xcc\x00\x05label\xcd\x00\x01\x00\x00"+string(long)
	if got := <-requests; got != want {
		t.Errorf("got %.200q, want %.200q", got, want)
	}
}

// A peer of the other kind answers a stream; its reader takes our frames.
func TestStreamOfAnotherClient(t *testing.T) {
	tr := New(Config{})
	t.Cleanup(func() { _ = tr.Shutdown() })
	srv := loopback(t, tr.Handler())
	echo(t, tr)
	body, w := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", srv.URL+BasePath+"stream", body)
	r.Header.Set("Content-Type", ContentType)
	resp, err := client(t, true).Do(r) // answered before anything is sent
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	_, _ = w.Write([]byte("\xcd\x00\x00\x00\x04ping"))
	got := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "\xcc\x00\x04ping" {
		t.Errorf("%q, %v", got, err)
	}
	cancel() // as its Close does
	w.Close()
	resp.Body.Close()
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("\xcc\x00\x02ab\xcd\x00\x00\x00\x01c"))
	f.Add([]byte("\xcd\xff\xff\xff\xff"))
	tr := New(Config{MaxFrame: 1 << 16})
	h := tr.Handler()
	f.Cleanup(func() { _ = tr.Shutdown() })
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", BasePath+"message", bytes.NewReader(body))
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", ContentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d", w.Code)
		}
		if n := tr.reading.Load(); n != 0 {
			t.Errorf("%d bytes stay claimed", n)
		}
		tr.in.clear()
	})
}
