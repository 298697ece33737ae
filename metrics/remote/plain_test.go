package remote

import (
	"context"
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

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/sigv4"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// settingsFor returns settings that send to addr over TCP.
func settingsFor(t *testing.T, e Endpoint) *settings {
	t.Helper()
	c, err := newClient(e, (&net.Dialer{}).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return &settings{Endpoint: e.withDefaults(), client: c}
}

// The receiver cannot tell how a request was sent, nor the sender how it was
// answered.
func TestPlainRequestsAreThoseOfTheLibrary(t *testing.T) {
	asked := make(chan *http.Request, 1)
	bodies := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r
		bodies <- string(body)
		switch len(body) {
		case 0:
			w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "0")
			w.WriteHeader(http.StatusNoContent)
		case 1:
			w.Header().Set("Retry-After", "7")
			http.Error(w, " not \xff now ", http.StatusServiceUnavailable)
		default:
			http.Error(w, strings.Repeat("a", 100_000), http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	f := func(e Endpoint) {
		t.Helper()
		e.URL = srv.URL + "/push?x=%20y"
		s := settingsFor(t, e)
		for _, kind := range []uint8{wire.KindWrite1, wire.KindWrite2, wire.KindMetadata1} {
			for attempt, sent := range []string{"", "1", "22"} {
				got, ok := s.client.tryPlain(t.Context(), s, kind, []byte(sent), attempt)
				if !ok {
					t.Fatalf("%+v: not sent", e)
				}
				first, body := <-asked, <-bodies
				want := s.postWithLibrary(t.Context(), kind, []byte(sent), attempt)
				seen := <-asked
				if again := <-bodies; body != sent || again != sent {
					t.Errorf("bodies %q and %q; want %q", body, again, sent)
				}
				first.Header.Del("Accept-Encoding")
				if diff := cmp.Diff(seen.Header, first.Header); diff != "" {
					t.Errorf("kind %d: header (-library +plain):\n%s", kind, diff)
				}
				if first.RequestURI != seen.RequestURI || first.Host != seen.Host || first.ContentLength != seen.ContentLength {
					t.Errorf("%+v; the library's is %+v", first, seen)
				}
				if got != want {
					t.Errorf("answer %+v; want %+v", got, want)
				}
			}
		}
	}
	f(Endpoint{})
	f(Endpoint{Headers: map[string]string{"x-scope-orgid": "a", "Authorization": "mine"}})
	f(Endpoint{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", Password: "p:q"}}})
	f(Endpoint{
		Headers: map[string]string{"Authorization": "mine"},
		HTTP:    config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u"}},
	})
	f(Endpoint{HTTP: config.HTTPClientConfig{Authorization: &config.Authorization{Type: "Token", Credentials: "s"}}})
	f(Endpoint{HTTP: config.HTTPClientConfig{BearerToken: "s"}})
}

func TestWhatIsNotPlainIsLeftToTheLibrary(t *testing.T) {
	f := func(e Endpoint, want bool) {
		t.Helper()
		if e.URL == "" {
			e.URL = "http://a/b"
		}
		if got := newPlainClient(e, nil) != nil; got != want {
			t.Errorf("%+v: plain is %t", e, got)
		}
	}
	f(Endpoint{}, true)
	f(Endpoint{URL: "https://a/b"}, false)
	f(Endpoint{URL: "http://u:p@a/b"}, false)
	f(Endpoint{Headers: map[string]string{"host": "b"}}, false)
	f(Endpoint{SigV4: &sigv4.SigV4Config{}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{BearerTokenFile: "f"}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{BearerToken: "a\nb"}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{PasswordFile: "f"}}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{Authorization: &config.Authorization{CredentialsFile: "f"}}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{OAuth2: &config.OAuth2{}}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{HTTPHeaders: &config.Headers{}}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{ProxyConfig: config.ProxyConfig{ProxyFromEnvironment: true}}}, false)
	f(Endpoint{HTTP: config.HTTPClientConfig{ProxyConfig: config.ProxyConfig{ProxyURL: config.URL{URL: &url.URL{Host: "p"}}}}}, false)
}

// A receiver behind a redirect is asked as before, and only once the plain way.
func TestUnusualAnswersAreAskedForAgainWithTheLibrary(t *testing.T) {
	var asked, taken atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/push" {
			asked.Add(1)
			http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
			return
		}
		if body, _ := io.ReadAll(r.Body); string(body) == "abc" {
			taken.Add(1)
		}
	}))
	defer srv.Close()
	s := settingsFor(t, Endpoint{URL: srv.URL + "/push", HTTP: config.HTTPClientConfig{FollowRedirects: true}})
	for i := range int32(3) {
		r := s.post(t.Context(), wire.KindWrite1, []byte("abc"), 0)
		if r.err != nil || r.status != http.StatusOK || asked.Load() != i+2 || taken.Load() != i+1 {
			t.Errorf("%+v after %d questions, %d taken", r, asked.Load(), taken.Load())
		}
	}
}

// Nobody would notice any more that the server has closed them.
func TestConnectionsToAnUnusualReceiverAreClosed(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	closed := make(chan struct{}, 3)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		both.Done()
		both.Wait()
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	s := settingsFor(t, Endpoint{URL: srv.URL})
	var sent sync.WaitGroup
	for range 2 {
		sent.Go(func() {
			if r, ok := s.client.tryPlain(t.Context(), s, wire.KindWrite1, []byte("a"), 0); !ok || r.err != nil {
				t.Errorf("%+v, %t", r, ok)
			}
		})
	}
	sent.Wait()
	if _, ok := s.client.tryPlain(t.Context(), s, wire.KindWrite1, nil, 0); ok {
		t.Error("an unusual answer is taken")
	}
	for range 2 {
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("a connection is still open")
		}
	}
}

func TestErrorsOfPlainRequestsAreThoseOfTheLibrary(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := func(timeout time.Duration) {
		t.Helper()
		s := settingsFor(t, Endpoint{URL: "http://" + lis.Addr().String() + "/push", Timeout: timeout})
		got, _ := s.client.tryPlain(context.Background(), s, wire.KindWrite1, nil, 0)
		want := s.postWithLibrary(context.Background(), wire.KindWrite1, nil, 0)
		if got.reason() != want.reason() || got.err == nil {
			t.Errorf("%q; want %q", got.reason(), want.reason())
		}
	}
	f(50 * time.Millisecond) // nobody accepts
	lis.Close()
	f(10 * time.Second)
}
