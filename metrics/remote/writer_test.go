package remote

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
	"github.com/divvy-collector/divvy/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a Writer that runs, and the receiver that it sends to. It lives in
// a synctest bubble.
type rig struct {
	*Writer
	t    *testing.T
	rcv  *receiver
	disk *vfs.Mem
	cfg  Config
	stop func()
}

// newRig runs a Writer with one endpoint, changed by edit.
func newRig(t *testing.T, edit func(*Config)) *rig {
	t.Helper()
	g := &rig{t: t, rcv: newReceiver(t), disk: vfs.NewMem()}
	g.cfg = Config{
		Endpoints: []Endpoint{{
			URL: g.rcv.url, Exemplars: true, NativeHistograms: true,
			Queue: Queue{Retry429: true},
		}},
		Dir: "log", FS: g.disk, Drain: time.Minute, Dial: g.rcv.dial,
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
		w.Run(ctx)
	}()
	g.stop = func() {
		cancel()
		<-done
	}
}

// end stops everything.
func (g *rig) end() {
	g.stop()
	g.rcv.close()
}

// tick appends the value n of the series with these numbers at time n.
func (g *rig) tick(key uint64, n int, series ...int) {
	g.t.Helper()
	var b telemetry.Batch
	b.Key, b.Epoch = key, g.Epoch()
	for _, i := range series {
		h := g.Resolve(numbered(i), nil)
		b.Samples = append(b.Samples, telemetry.Sample{Handle: h, T: int64(n), V: float64(n)})
	}
	if err := g.Append(&b); err != nil {
		g.t.Errorf("append: %v", err)
	}
}

func numbered(i int) labels.Labels {
	return labels.FromStrings("__name__", "m", "job", "test", "n", fmt.Sprint(i))
}

// perSeries returns the times of the points of each series, in order.
func perSeries(points []sinktest.Point) map[string][]int64 {
	by := map[string][]int64{}
	for _, p := range points {
		by[p.Series] = append(by[p.Series], p.T)
	}
	return by
}

// inOrder checks that each of series has the times 0 to n-1, in order, each at
// least once.
func inOrder(t *testing.T, points []sinktest.Point, series, n int) {
	t.Helper()
	by := perSeries(points)
	if len(by) != series {
		t.Errorf("%d series arrived; want %d", len(by), series)
	}
	for name, times := range by {
		next := int64(0)
		for _, at := range times {
			if at > next {
				t.Fatalf("%s: %d came before %d", name, at, next)
			}
			next = max(next, at+1)
		}
		if next != int64(n) {
			t.Fatalf("%s: the last is %d; want %d", name, next-1, n-1)
		}
	}
}

func TestWriterIsASink(t *testing.T) {
	for _, message := range []string{Message1, Message2} {
		t.Run(message, func(t *testing.T) {
			sinktest.TestSink(t, func(t *testing.T) sinktest.Fixture {
				g := newRig(t, func(c *Config) { c.Endpoints[0].Message = message })
				external := 0
				change := func() {
					// A label that every series has already changes nothing but the epoch.
					external++
					g.cfg.ExternalLabels = labels.FromStrings("n", fmt.Sprint(external))
					if err := g.Update(g.cfg); err != nil {
						t.Error(err)
					}
				}
				return sinktest.Fixture{Sink: g, Change: change, Received: func() []sinktest.Point {
					g.end()
					return g.rcv.points()
				}}
			})
		})
	}
}

// A sample is on disk 250 ms after it was appended, without a Flush.
func TestCommitsWithinAQuarterOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		defer g.end()
		g.tick(1, 0, 1)
		time.Sleep(249 * time.Millisecond)
		synctest.Wait()
		if n := len(g.rcv.points()); n != 0 {
			t.Errorf("%d samples were sent after 249 ms; want them grouped", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := len(g.rcv.points()); n != 1 {
			t.Errorf("%d samples were sent after 250 ms; want 1", n)
		}
	})
}

// What is appended before Run is sent by it.
func TestTakesSamplesBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rcv := newReceiver(t)
		defer rcv.close()
		w, err := New(Config{Endpoints: []Endpoint{{URL: rcv.url}}, FS: vfs.NewMem(), Dial: rcv.dial, Drain: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		h := w.Resolve(numbered(1), nil)
		if err := w.Append(&telemetry.Batch{Epoch: w.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: 1}}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Run(ctx)
		_ = rcv.points()
		err = w.Append(&telemetry.Batch{Epoch: w.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: 2}}})
		if !errors.Is(err, errStopped) {
			t.Errorf("append after Run: %v; want %v", err, errStopped)
		}
	})
}

func TestExternalLabelsAndRules(t *testing.T) {
	f := func(external labels.Labels, lset labels.Labels, want string) {
		t.Helper()
		got := withExternal(lset, external)
		if got.String() != want {
			t.Errorf("%s and external %s give %s; want %s", lset, external, got, want)
		}
	}
	f(labels.EmptyLabels(), labels.FromStrings("a", "1"), `{a="1"}`)
	f(labels.FromStrings("b", "2"), labels.FromStrings("a", "1"), `{a="1", b="2"}`)
	f(labels.FromStrings("a", "2"), labels.FromStrings("a", "1"), `{a="1"}`)
	f(labels.FromStrings("a", "2", "z", "9"), labels.FromStrings("b", "1"), `{a="2", b="1", z="9"}`)
}

// Several endpoints each get what their own rules leave of a series.
func TestEveryEndpointHasItsOwnRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newReceiver(t)
		other.url = "http://other/push"
		defer other.close()
		g := newRig(t, func(c *Config) {
			first := c.Dial
			c.Dial = nil
			c.Dial = func(ctx context.Context, network, addr string) (conn, error) {
				if addr == "other:80" {
					return other.dial(ctx, network, addr)
				}
				return first(ctx, network, addr)
			}
			c.Endpoints = append(c.Endpoints, Endpoint{URL: other.url, Rules: dropRule("n", "1")})
		})
		g.tick(1, 0, 1, 2)
		g.end()
		names := func(r *receiver) (list []string) {
			for _, p := range r.points() {
				list = append(list, p.Series)
			}
			return list
		}
		want := [][]string{{numbered(1).String(), numbered(2).String()}, {numbered(2).String()}}
		if diff := cmp.Diff(want, [][]string{names(g.rcv), names(other)}); diff != "" {
			t.Errorf("series at the endpoints (-want +got):\n%s", diff)
		}
	})
}

// A changed endpoint keeps its log, and what is in it goes where the new
// settings say; nothing that was appended before or after is lost.
func TestUpdateLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.rcv.answers(answering(500))
		n := 0
		steps := func(k int) {
			for range k {
				g.tick(1, n, 1, 2, 3)
				n++
				time.Sleep(100 * time.Millisecond)
			}
		}
		steps(20)
		for i, edit := range []func(*Endpoint){
			func(e *Endpoint) { e.Headers = map[string]string{"X-Tenant": "a"} },
			func(e *Endpoint) { e.Queue.MinLanes = 4 },
			func(e *Endpoint) { e.Message = Message2 },
			func(e *Endpoint) { e.Rules = dropRule("n", "none") },
			func(e *Endpoint) { e.Timeout = time.Second },
		} {
			edit(&g.cfg.Endpoints[0])
			if err := g.Update(g.cfg); err != nil {
				t.Fatalf("update %d: %v", i, err)
			}
			steps(20)
		}
		g.rcv.answers(nil)
		g.end()
		inOrder(t, g.rcv.points(), 3, n)
		last := g.rcv.seen()
		if got := last[len(last)-1].header.Get("X-Tenant"); got != "a" {
			t.Errorf("header of the last request is %q; want that of the update", got)
		}
	})
}

// An endpoint that moves to another URL under the same name takes its log
// along.
func TestNamedEndpointMovesWithItsLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.Endpoints[0].Name = "main"
			c.Drain = time.Second
		})
		g.rcv.answers(answering(500))
		g.tick(1, 0, 1)
		time.Sleep(time.Second)
		g.cfg.Endpoints[0].URL = "http://elsewhere/push"
		if err := g.Update(g.cfg); err != nil {
			t.Fatal(err)
		}
		g.tick(1, 1, 1)
		time.Sleep(10 * time.Second)
		g.rcv.answers(nil)
		g.end()
		inOrder(t, g.rcv.points(), 1, 2)
	})
}

// An endpoint that is taken out of the configuration leaves what it could not
// deliver on disk, and delivers it when it comes back.
func TestRemovedEndpointKeepsItsBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Drain = time.Second })
		g.rcv.answers(answering(500))
		g.tick(1, 0, 1)
		time.Sleep(time.Second)
		without := g.cfg
		without.Endpoints = nil
		if err := g.Update(without); err != nil {
			t.Fatal(err)
		}
		if h := g.Resolve(numbered(1), nil); h != telemetry.Dropped {
			t.Errorf("handle %x without endpoints; want Dropped", h)
		}
		time.Sleep(time.Minute)
		g.rcv.answers(nil)
		if err := g.Update(g.cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		g.end()
		inOrder(t, g.rcv.points(), 1, 1)
	})
}

func TestUpdateWithEqualConfigChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Endpoints[0].Rules = dropRule("n", "1") })
		defer g.end()
		before, client := g.Epoch(), g.state.Load().endpoints[0].settings.Load().client
		g.cfg.Endpoints[0].Rules = dropRule("n", "1")
		if err := g.Update(g.cfg); err != nil {
			t.Fatal(err)
		}
		if g.Epoch() != before {
			t.Error("the epoch changed")
		}
		if g.state.Load().endpoints[0].settings.Load().client != client {
			t.Error("the client was replaced")
		}
	})
}

// A wrong Config is refused as a whole.
func TestUpdateRefusesAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		defer g.end()
		before := g.Epoch()
		bad := g.cfg
		bad.Endpoints = []Endpoint{{URL: "http://new/"}, {URL: "ftp://x"}}
		if err := g.Update(bad); err == nil {
			t.Fatal("no error")
		}
		if g.Epoch() != before || len(g.Status()) != 1 {
			t.Error("something changed")
		}
	})
}

func TestOldGenerationsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		defer g.end()
		h := g.Resolve(numbered(1), nil)
		g.cfg.ExternalLabels = labels.FromStrings("x", "1")
		if err := g.Update(g.cfg); err != nil {
			t.Fatal(err)
		}
		if n := len(g.state.Load().older); n != 1 {
			t.Fatalf("%d older generations; want 1", n)
		}
		g.Release([]telemetry.Handle{h})
		if n := len(g.state.Load().older); n != 0 {
			t.Errorf("%d older generations after the release; want none", n)
		}
	})
}

// Draining gives up on a receiver that keeps failing, and everything is there
// after the next start.
func TestDrainGivesUpEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.rcv.answers(answering(503))
		for n := range 10 {
			g.tick(1, n, 1)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		g.stop()
		if took := time.Since(start); took > 10*time.Second || took < drainPatience {
			t.Errorf("draining took %s; want it to give up", took)
		}
		if n := len(g.rcv.points()); n != 0 {
			t.Errorf("%d samples arrived", n)
		}
		g.rcv.answers(nil)
		g.start()
		time.Sleep(time.Second)
		g.end()
		inOrder(t, g.rcv.points(), 1, 10)
	})
}

// A receiver that comes back while we drain is given what is left.
func TestDrainOutlivesARestartOfTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.rcv.answers(answering(503))
		g.tick(1, 0, 1)
		time.Sleep(time.Minute)
		back := time.AfterFunc(2*time.Second, func() { g.rcv.answers(nil) })
		defer back.Stop()
		g.end()
		inOrder(t, g.rcv.points(), 1, 1)
	})
}

func TestEndpointKeysAreTold(t *testing.T) {
	f := func(wantErr bool, list ...Endpoint) {
		t.Helper()
		if err := (Config{Endpoints: list}).Validate(); (err != nil) != wantErr {
			t.Errorf("validate: %v; want an error: %v", err, wantErr)
		}
	}
	f(false)
	f(false, Endpoint{URL: "http://a/"}, Endpoint{URL: "http://b/"})
	f(false, Endpoint{URL: "http://a/", Name: "x"}, Endpoint{URL: "http://a/", Name: "y"})
	f(true, Endpoint{URL: "http://a/"}, Endpoint{URL: "http://a/"})
	f(true, Endpoint{URL: "http://a/", Name: "x"}, Endpoint{URL: "http://b/", Name: "x"})
	f(true, Endpoint{URL: "a"})
	f(true, Endpoint{URL: "http://a/", Message: "other"})
	f(true, Endpoint{URL: "http://a/", Headers: map[string]string{"content-type": "x"}})
	f(true, Endpoint{URL: "http://a/", Queue: Queue{MinLanes: 5, MaxLanes: 2}})
	f(true, Endpoint{URL: "http://a/", Queue: Queue{MaxSamples: -1}})
	f(true, Endpoint{URL: "http://a/", Queue: Queue{MinBackoff: time.Minute}})
}

// What would fail every request, or never let one end, is refused.
func TestConfigRefusesWhatNoReceiverTakes(t *testing.T) {
	f := func(part string, c Config) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("validate: %v; want %q in it", err, part)
		}
	}
	one := func(e Endpoint) Config {
		e.URL = "http://a/"
		return Config{Endpoints: []Endpoint{e}}
	}
	f("remote_timeout is -1s", one(Endpoint{Timeout: -time.Second}))
	f("send_interval is -1s", one(Endpoint{Metadata: Metadata{Interval: -time.Second}}))
	f("sample_age_limit is -1s", one(Endpoint{Queue: Queue{SampleMaxAge: -time.Second}}))
	f("max_shards ≤ 32768", one(Endpoint{Queue: Queue{MaxLanes: 40_000}}))
	f(`the name ""`, Config{ExternalLabels: labels.FromMap(map[string]string{"": "x"})})
	f(`the name "a\xff"`, Config{ExternalLabels: labels.FromStrings("a\xff", "x")})
	f(`not UTF-8: "\xff"`, Config{ExternalLabels: labels.FromStrings("a", "\xff")})
}

func TestEveryNameHasADirectory(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"a", "a/b", "a%2Fb", "..", ".", "a.b", "A", "ä", "a b"} {
		dir := Endpoint{Name: name}.dir("root")
		if before, taken := seen[dir]; taken {
			t.Errorf("%q and %q share %s", before, name, dir)
		}
		if len(dir) <= len("root/") || dir[:5] != "root/" {
			t.Errorf("%q is in %s", name, dir)
		}
		seen[dir] = name
	}
}

// A disk that refuses for good is told, and what does not fit is refused.
func TestAppendRefusesWhenTheDiskIsBehind(t *testing.T) {
	w, err := New(Config{Endpoints: []Endpoint{{URL: "http://a/"}}})
	if err != nil {
		t.Fatal(err)
	}
	h := w.Resolve(labels.FromStrings("a", string(make([]byte, 1<<20))), nil)
	for n := range math.MaxInt16 {
		err := w.Append(&telemetry.Batch{Epoch: w.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: int64(n)}}})
		if errors.Is(err, errBusy) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("never refused")
}
