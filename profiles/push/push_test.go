package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/internal/memnet"
	"github.com/divvy-collector/divvy/internal/profileserver"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a Writer that runs, and the server that it sends to. It lives in a
// synctest bubble.
type rig struct {
	*Writer
	*profileserver.Server
	t    *testing.T
	cfg  Config
	http *http.Server
	stop func()
}

// newRig runs a Writer with one endpoint, changed by edit.
func newRig(t *testing.T, edit func(*Config)) *rig {
	t.Helper()
	net := memnet.New()
	g := &rig{t: t, Server: profileserver.New()}
	g.http = &http.Server{Handler: g.Server}
	listener := net.Listen("10.0.0.1:80")
	go func() { _ = g.http.Serve(listener) }()
	g.cfg = Config{
		Endpoints: []Endpoint{{URL: "http://10.0.0.1:80", Retry429: true, MaxRetries: 10}},
		Dir:       "log", FS: vfs.NewMem(), Drain: time.Minute, Dial: net.Dialer("10.0.0.2"),
	}
	if edit != nil {
		edit(&g.cfg)
	}
	g.start()
	return g
}

// start runs a Writer on the rig's disk.
func (g *rig) start() {
	g.t.Helper()
	w, err := New(g.cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	g.Writer = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	g.stop = func() {
		cancel()
		<-done
	}
}

// end stops everything.
func (g *rig) end() {
	g.stop()
	_ = g.http.Close()
	synctest.Wait()
}

// append appends a profile with a text in place of bytes of pprof.
func (g *rig) append(text string, lset ...string) {
	g.t.Helper()
	all := append([]string{"__name__", "memory", "service_name", "shop"}, lset...)
	p := profiles.Profile{Labels: labels.FromStrings(all...), Raw: []byte(text)}
	if err := g.Append(g.t.Context(), []profiles.Profile{p}); err != nil {
		g.t.Errorf("append: %v", err)
	}
}

// well checks what health says; empty: all is well.
func (g *rig) well(want string) {
	g.t.Helper()
	since, err := g.Health()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || since.IsZero() {
		g.t.Errorf("health %v since %s; want %q", err, since, want)
	}
}

// texts returns what the server took.
func (g *rig) texts() (list []string) {
	for _, p := range g.Pushes() {
		list = append(list, string(p.Raw))
	}
	return list
}

// A server of the push API reads what was appended.
func TestServerReadsWhatWasAppended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.ExternalLabels = map[string]string{"cluster": "eu", "service_name": "renamed"}
			c.Endpoints[0].Headers = map[string]string{"X-Scope-OrgID": "tenant"}
		})
		g.append("bytes", "__meta_pod", "x", "__delta__", "false", "cluster", "us")
		g.stop()
		defer g.end()
		got := g.Pushes()
		if len(got) != 1 {
			t.Fatalf("%d profiles arrived", len(got))
		}
		want := labels.FromStrings("__delta__", "false", "__name__", "memory", "cluster", "eu", "service_name", "renamed")
		if p := got[0]; !labels.Equal(p.Labels, want) || string(p.Raw) != "bytes" || len(p.ID) != 36 {
			t.Errorf("got %s %q %q; want %s", p.Labels, p.Raw, p.ID, want)
		}
		if h := got[0].Header; h.Get("X-Scope-OrgID") != "tenant" || !strings.HasPrefix(h.Get("User-Agent"), "divvy/") {
			t.Errorf("headers %v", h)
		}
	})
}

// What came by /ingest goes on by /ingest, with its parameters, and with the
// labels that it has now.
func TestIngestGoesOnAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.Endpoints[0].URL += "/base"
			c.ExternalLabels = map[string]string{"cluster": "eu"}
		})
		g.Answer(func(r *http.Request) int { r.URL.Path = strings.TrimPrefix(r.URL.Path, "/base"); return 200 })
		p := profiles.Profile{
			Labels: labels.FromStrings("__name__", "app", "service_name", "shop", "zone", "a b"), Raw: []byte("a;b 3\n"),
			Ingest: &profiles.Ingest{
				Query:       url.Values{"name": {"old"}, "from": {"1"}, "until": {"11"}, "format": {"folded"}},
				ContentType: []string{"text/plain"},
			},
		}
		if err := g.Append(t.Context(), []profiles.Profile{p}); err != nil {
			t.Fatal(err)
		}
		g.stop()
		defer g.end()
		got := g.Pushes()
		if len(got) != 1 || string(got[0].Raw) != "a;b 3\n" || got[0].Header.Get("Content-Type") != "text/plain" {
			t.Fatalf("got %+v", got)
		}
		u, err := url.Parse(got[0].URL)
		want := url.Values{"name": {"shop{cluster=eu,service_name=shop,zone=a b}"}, "from": {"1"}, "until": {"11"}, "format": {"folded"}}
		if diff := cmp.Diff(want, u.Query()); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}

// An hour without a server, in any way, costs nothing, and each series stays in
// order.
func TestOutageLosesNothing(t *testing.T) {
	f := func(name string, answer func(*http.Request) int) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, nil)
				n := 0
				step := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); n++ {
						for s := range 3 {
							g.append(fmt.Sprintf("%d %d", s, n), "pod", fmt.Sprint(s))
						}
						time.Sleep(15 * time.Second)
					}
				}
				step(time.Minute)
				g.Answer(answer)
				step(time.Hour)
				g.Answer(nil)
				step(10 * time.Minute)
				g.end()
				next := map[string]int{}
				for _, text := range g.texts() {
					series, number, _ := strings.Cut(text, " ")
					if number != fmt.Sprint(next[series]) {
						t.Fatalf("series %s: %s came where %d was to", series, number, next[series])
					}
					next[series]++
				}
				if len(next) != 3 || next["0"] != n || next["1"] != n || next["2"] != n {
					t.Errorf("%v arrived of %d each", next, n)
				}
			})
		})
	}
	f("resets", func(*http.Request) int { panic(http.ErrAbortHandler) })
	f("gateway", func(*http.Request) int { return http.StatusServiceUnavailable })
	f("password", func(*http.Request) int { return http.StatusUnauthorized })
	f("hangs", func(*http.Request) int { time.Sleep(45 * time.Second); return http.StatusServiceUnavailable })
}

// A process that ends while the server is away leaves its profiles to the next,
// and they are the same, their IDs included.
func TestNextProcessSendsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Drain = 0 })
		var seen []string // of requests that were refused
		g.Answer(func(*http.Request) int { return http.StatusBadGateway })
		for n := range 20 {
			g.append(fmt.Sprint(n), "pod", fmt.Sprint(n%4))
		}
		synctest.Wait()
		g.stop()
		g.Answer(nil)
		g.start()
		time.Sleep(time.Second)
		g.end()
		seen = g.texts()
		slices.Sort(seen)
		if len(slices.Compact(seen)) != 20 || len(g.Pushes()) != 20 {
			t.Errorf("%v arrived", seen)
		}
	})
}

// A profile that the server cannot digest is given up after the retries that are
// allowed, and counted; the others arrive.
func TestProfileIsGivenUpAfterItsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Endpoints[0].MaxRetries = 3 })
		g.Answer(func(r *http.Request) int {
			if r.ContentLength > 200 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		g.append("first", "pod", "a")
		g.append(strings.Repeat("x", 200), "pod", "a")
		g.append("last", "pod", "a")
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"first", "last"}, g.texts()); diff != "" {
			t.Error(diff)
		}
		s := g.Status()[0]
		if g.Refused() != 4 || s.Dropped["http_500"] != 1 || s.Retried != 3 || s.Sent != 2 || s.Backlog != 0 {
			t.Errorf("%d requests refused; status %+v", g.Refused(), s)
		}
		g.end()
	})
}

// What a server refuses for good is dropped at once; labels that no server takes
// are not even kept.
func TestRefusalIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.Answer(func(*http.Request) int { return http.StatusBadRequest })
		g.append("x")
		time.Sleep(time.Second)
		if s := g.Status()[0]; s.Dropped["http_400"] != 1 || g.Refused() != 1 || !s.Refused {
			t.Errorf("status %+v", s)
		}
		g.well("")
		time.Sleep(2 * time.Minute)
		g.well("the server refuses what it is sent")
		g.Answer(nil)
		g.append("y")
		time.Sleep(time.Second)
		g.well("")
		for _, lset := range []labels.Labels{labels.EmptyLabels(), labels.FromStrings("a-b", "x"), labels.FromStrings("a", "\xff")} {
			if err := g.Append(t.Context(), []profiles.Profile{{Labels: lset}}); err == nil {
				t.Errorf("%s was taken", lset)
			}
		}
		g.end()
	})
}

// The cap of the log holds: the oldest profiles go, and are counted.
func TestCapDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Endpoints[0].MaxBytes = 1 << 20 })
		g.Answer(func(*http.Request) int { return http.StatusServiceUnavailable })
		const n, size = 400, 10_000
		for i := range n {
			g.append(fmt.Sprintf("%04d", i)+strings.Repeat("x", size), "pod", "a")
		}
		time.Sleep(time.Minute)
		g.Answer(nil)
		time.Sleep(10 * time.Minute)
		s, got := g.Status()[0], g.texts()
		if int64(len(got))+s.Dropped["log_full"] != n || s.Dropped["log_full"] < n/2 {
			t.Errorf("%d arrived, %d dropped, of %d", len(got), s.Dropped["log_full"], n)
		}
		if last := got[len(got)-1][:4]; last != "0399" {
			t.Errorf("the last that arrived is %s", last)
		}
		g.end()
	})
}

// Each endpoint has its own pace: one that is away does not hold up the other.
func TestEndpointsAreOnTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			away := c.Endpoints[0]
			away.URL = "http://10.0.0.9:80"
			c.Endpoints = append(c.Endpoints, away)
			c.Drain = time.Second
		})
		for n := range 10 {
			g.append(fmt.Sprint(n), "pod", fmt.Sprint(n))
		}
		time.Sleep(2 * time.Minute)
		s := g.Status()
		if len(g.texts()) != 10 || s[0].Backlog != 0 || s[1].Backlog != 10 || s[1].Err == "" {
			t.Errorf("%d arrived; status %+v", len(g.texts()), s)
		}
		g.well("the server fails since")
		g.end()
	})
}

// Updates while profiles come lose none, and keep the log of an endpoint that
// only changes how it is sent to.
func TestUpdateLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		for n := range 30 {
			cfg := g.cfg
			cfg.Endpoints = []Endpoint{cfg.Endpoints[0]}
			cfg.Endpoints[0].Headers = map[string]string{"X-Turn": fmt.Sprint(n)}
			if n%10 == 9 {
				cfg.Endpoints[0].MaxBytes = int64(n) << 20 // another endpoint with the same log
			}
			if err := g.Update(cfg); err != nil {
				t.Fatal(err)
			}
			g.append(fmt.Sprint(n), "pod", "a")
			time.Sleep(3 * time.Second)
		}
		g.end()
		if got := g.texts(); len(got) != 30 {
			t.Errorf("%d arrived: %v", len(got), got)
		}
	})
}

// When the process ends while the server fails, it does not wait for the whole
// of the time that it has: what is left is on disk.
func TestDrainEndsEarlyWhereTheServerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.Answer(func(*http.Request) int { return http.StatusServiceUnavailable })
		for n := range 5 {
			g.append(fmt.Sprint(n), "pod", fmt.Sprint(n))
		}
		time.Sleep(10 * time.Minute)
		begin := time.Now()
		g.stop()
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it ended after %s", took)
		}
		if err := g.Append(t.Context(), []profiles.Profile{{Labels: labels.FromStrings("a", "b")}}); err == nil {
			t.Error("a Writer that has stopped takes profiles")
		}
		g.Answer(nil)
		g.start()
		time.Sleep(time.Second)
		g.end()
		if len(g.texts()) != 5 {
			t.Errorf("%v arrived", g.texts())
		}
	})
}

// A disk that refuses costs nothing while memory lasts; then whoever appends is
// told, and health says so all the time.
func TestRefusingDiskIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		g := newRig(t, func(c *Config) { c.FS = disk })
		synctest.Wait()
		g.Answer(func(*http.Request) int { return http.StatusServiceUnavailable })
		disk.Intercept(func(op vfs.Op) error {
			if op.Kind == vfs.Write {
				return errors.New("no space left")
			}
			return nil
		})
		taken, size := 0, 1<<20
		for range 100 {
			p := profiles.Profile{Labels: labels.FromStrings("a", "b"), Raw: make([]byte, size)}
			if g.Append(t.Context(), []profiles.Profile{p}) != nil {
				break
			}
			taken++
		}
		g.well("no space left")
		if taken < 20 || taken > 40 {
			t.Errorf("%d MiB were taken without a disk", taken)
		}
		disk.Intercept(nil)
		g.Answer(nil)
		time.Sleep(10 * time.Minute)
		if got := len(g.Pushes()); got != taken {
			t.Errorf("%d of %d arrived", got, taken)
		}
		g.well("")
		g.end()
	})
}
