package remote

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// tickMany appends count series at time n, in one batch.
func (g *rig) tickMany(key uint64, n, count int) {
	g.t.Helper()
	all := make([]int, count)
	for i := range all {
		all[i] = i
	}
	g.tick(key, n, all...)
}

// Whatever the receiver does for ten minutes, every sample arrives, in order.
func TestOutageLosesNothing(t *testing.T) {
	hang := func(w http.ResponseWriter, _ request) bool {
		// Longer than the timeout: the client has gone when this answers.
		time.Sleep(45 * time.Second)
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	}
	reset := func(w http.ResponseWriter, _ request) bool {
		panic(http.ErrAbortHandler)
	}
	limit := func(w http.ResponseWriter, _ request) bool {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	}
	f := func(name string, answer func(http.ResponseWriter, request) bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, func(c *Config) { c.Endpoints[0].Queue.MinLanes = 3 })
				n := 0
				steps := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); n++ {
						for key := range 5 {
							g.tick(uint64(key), n, 10*key, 10*key+1)
						}
						time.Sleep(5 * time.Second)
					}
				}
				steps(time.Minute)
				g.rcv.answers(answer)
				steps(10 * time.Minute)
				g.rcv.answers(nil)
				steps(time.Minute)
				g.end()
				inOrder(t, g.rcv.points(), 10, n)
				if got, want := len(g.rcv.points()), 10*n; got != want {
					t.Errorf("%d samples arrived; want %d", got, want)
				}
			})
		})
	}
	f("500", answering(500))
	f("401", answering(401))
	f("429", limit)
	f("hang", hang)
	f("reset", reset)
}

// Retry-After is kept to the millisecond, as seconds and as a date.
func TestRetryAfterIsHonoured(t *testing.T) {
	f := func(code int, value func() string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			defer g.end()
			g.rcv.answers(func(w http.ResponseWriter, _ request) bool {
				w.Header().Set("Retry-After", value())
				w.WriteHeader(code)
				return false
			})
			g.tick(1, 0, 1)
			time.Sleep(20 * time.Second)
			g.rcv.answers(nil)
			time.Sleep(20 * time.Second)
			requests := g.rcv.seen()
			if len(requests) != 2 {
				t.Fatalf("%d requests; want 2", len(requests))
			}
			// A date is cut to seconds.
			if wait := requests[1].at.Sub(requests[0].at); wait > 30*time.Second || wait <= 29*time.Second {
				t.Errorf("the second came %s after the first; want 30s", wait)
			}
			if got := requests[1].header.Get("Retry-Attempt"); got != "1" {
				t.Errorf("Retry-Attempt is %q; want 1", got)
			}
		})
	}
	seconds := func() string { return "30" }
	date := func() string { return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat) }
	f(429, seconds)
	f(503, seconds)
	f(503, date)
}

// refuse answers 400 to every request with a series that is bad.
func refuse(bad func(series string) bool) func(http.ResponseWriter, request) bool {
	return func(w http.ResponseWriter, r request) bool {
		for _, p := range r.points {
			if bad(p.Series) {
				http.Error(w, "out of bounds", http.StatusBadRequest)
				return false
			}
		}
		if r.kind == wire.KindWrite2 {
			w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(r.points)))
		}
		return true
	}
}

// One bad series in ten thousand costs itself, and a few requests.
func TestOnlyTheOffendingSeriesIsLost(t *testing.T) {
	for _, message := range []string{Message1, Message2} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, func(c *Config) { c.Endpoints[0].Message = message })
			bad := numbered(7777).String()
			g.rcv.answers(refuse(func(s string) bool { return s == bad }))
			for n := range 3 {
				g.tickMany(1, n, 10_000)
				time.Sleep(5 * time.Second)
			}
			g.end()
			points := g.rcv.points()
			inOrder(t, points, 9_999, 3)
			if len(points) != 3*9_999 {
				t.Errorf("%d samples arrived; want %d", len(points), 3*9_999)
			}
			if n := len(g.rcv.seen()); n > 3*(5+2*11) {
				t.Errorf("%d requests; want at most 2·log2 more per block", n)
			}
			if got := valueOf(g.endpoint().metrics.samplesFailed); got != 3 {
				t.Errorf("%v samples were counted as refused; want 3", got)
			}
		})
	}
}

func (w *Writer) endpoint() *endpoint { return w.state.Load().endpoints[0] }

// Bad series at random places: exactly they are lost, whatever was merged into
// one request.
func TestIsolationFindsExactlyTheBad(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			g := newRig(t, nil)
			bad := map[string]bool{}
			for range rnd.IntN(8) {
				bad[numbered(rnd.IntN(200)).String()] = true
			}
			g.rcv.answers(answering(500)) // so that records pile up and are merged
			for n := range 10 {
				g.tickMany(1, n, 200)
				time.Sleep(time.Second)
			}
			g.rcv.answers(refuse(func(s string) bool { return bad[s] }))
			time.Sleep(time.Minute)
			g.end()
			for s, times := range perSeries(g.rcv.points()) {
				if bad[s] || len(times) != 10 {
					t.Errorf("seed %d: %s arrived %d times (bad: %v)", seed, s, len(times), bad[s])
				}
			}
			if got := len(perSeries(g.rcv.points())); got != 200-len(bad) {
				t.Errorf("seed %d: %d series arrived; want %d", seed, got, 200-len(bad))
			}
		})
	}
}

// A receiver that refuses everything does not get a request for every series.
func TestIsolationIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.rcv.answers(answering(400))
		g.tickMany(1, 0, 2000)
		time.Sleep(time.Minute)
		if n := len(g.rcv.seen()); n > 2*hopeless+2*2000/coarse*2 {
			t.Errorf("%d requests for 2000 series", n)
		}
		g.end()
		if got := valueOf(g.endpoint().metrics.samplesFailed); got != 2000 {
			t.Errorf("%v samples were counted as refused; want 2000", got)
		}
	})
}

func TestMetadataIsSentEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.Endpoints[0].Metadata = Metadata{Send: true, MaxEntries: 2}
		})
		for i := range 3 {
			name := fmt.Sprint("family", i)
			h := g.Resolve(labels.FromStrings("__name__", name), &telemetry.Metadata{
				Family: name, Type: "counter", Help: "what it is", Unit: "s",
			})
			if i == 2 {
				g.Release([]telemetry.Handle{h})
			}
		}
		g.Resolve(labels.FromStrings("__name__", "another"), &telemetry.Metadata{Family: "another", Type: "gauge"})
		time.Sleep(2*time.Minute + time.Second)
		g.end()
		var got []string
		for _, m := range g.rcv.metadata {
			got = append(got, fmt.Sprintf("%s %s %s %s", m.MetricFamilyName, m.Type, m.Help, m.Unit))
		}
		once := []string{"another GAUGE  ", "family0 COUNTER what it is s", "family1 COUNTER what it is s"}
		if want := append(once, once...); !slices.Equal(got, want) {
			t.Errorf("metadata %q; want %q", got, want)
		}
		if got := valueOf(g.endpoint().metrics.metadataSent); got != 6 {
			t.Errorf("%v entries were counted; want 6", got)
		}
	})
}

// A receiver that does not know 2.0 is told everything once more as 1.0.
func TestReceiverWithoutTwoIsSentOne(t *testing.T) {
	unsupported := func(w http.ResponseWriter, r request) bool {
		if r.kind == wire.KindWrite2 {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return false
		}
		return true
	}
	silent := func(_ http.ResponseWriter, r request) bool { return r.kind == wire.KindWrite1 }
	f := func(answer func(http.ResponseWriter, request) bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, func(c *Config) { c.Endpoints[0].Message = Message2 })
			g.rcv.answers(answer)
			for n := range 5 {
				g.tickMany(1, n, 100)
				time.Sleep(time.Second)
			}
			g.end()
			inOrder(t, g.rcv.points(), 100, 5)
			if n := len(g.rcv.seen()); n != 6 {
				t.Errorf("%d requests; want one as 2.0 and then 5 as 1.0", n)
			}
		})
	}
	f(unsupported)
	f(silent)
}

func TestHeadersOfBothVersions(t *testing.T) {
	f := func(message string, want map[string]string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, func(c *Config) {
				c.Endpoints[0].Message = message
				c.Endpoints[0].Headers = map[string]string{"X-Scope-OrgID": "team"}
			})
			g.tick(1, 0, 1)
			g.end()
			got := g.rcv.seen()[0].header
			want["Content-Encoding"], want["X-Scope-OrgID"] = "snappy", "team"
			for name, value := range want {
				if got.Get(name) != value {
					t.Errorf("%s: %s is %q; want %q", message, name, got.Get(name), value)
				}
			}
			if !strings.HasPrefix(got.Get("User-Agent"), "divvy/") || got.Get("Retry-Attempt") != "" {
				t.Errorf("headers of the first attempt: %v", got)
			}
		})
	}
	f(Message1, map[string]string{
		"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0",
	})
	f(Message2, map[string]string{
		"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "X-Prometheus-Remote-Write-Version": "2.0.0",
	})
}

// Samples that are older than the limit when it is their turn are dropped and
// counted, the others are sent.
func TestSampleAgeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Endpoints[0].Queue.SampleMaxAge = time.Minute })
		g.rcv.answers(answering(500))
		now := func() int { return int(time.Now().UnixMilli()) }
		g.tick(1, now(), 1)
		time.Sleep(time.Second)
		g.tick(1, now()-50_000, 2) // in one record, one dies before the other
		g.tick(1, now(), 3)
		time.Sleep(time.Minute)
		g.rcv.answers(nil)
		g.tick(1, now(), 4)
		time.Sleep(10 * time.Second)
		g.end()
		var got []string
		for _, p := range g.rcv.points() {
			got = append(got, p.Series)
		}
		if want := []string{numbered(4).String()}; !slices.Equal(got, want) && len(got) != 2 {
			t.Errorf("arrived: %q; want %q", got, want)
		}
		dropped := valueOf(g.endpoint().metrics.droppedSamples.WithLabelValues("too_old"))
		if int(dropped)+len(got) != 4 {
			t.Errorf("%v samples were counted as too old, %d arrived; want 4 in all", dropped, len(got))
		}
	})
}

// Order per series holds while the number of lanes changes under faults.
func TestOrderHoldsWhileLanesChange(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			g := newRig(t, func(c *Config) { c.Endpoints[0].Queue.MaxSamples = 50 })
			faults := rand.New(rand.NewPCG(seed, 2))
			g.rcv.answers(func(w http.ResponseWriter, _ request) bool {
				g.rcv.mu.Lock()
				what, nap := faults.IntN(4), faults.IntN(200)
				g.rcv.mu.Unlock()
				time.Sleep(time.Duration(nap) * time.Millisecond)
				if what == 0 {
					w.WriteHeader(http.StatusInternalServerError)
				}
				return what != 0
			})
			n := 0
			for ; n < 100; n++ {
				for key := range 8 {
					g.tick(uint64(key), n, 4*key, 4*key+1, 4*key+2, 4*key+3)
				}
				time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
				if rnd.IntN(5) == 0 {
					g.endpoint().setLanes(1 + rnd.IntN(10))
				}
			}
			g.rcv.answers(nil)
			time.Sleep(time.Second)
			g.end()
			inOrder(t, g.rcv.points(), 32, n)
		})
	}
}

// A backlog that grows gets more senders, up to the maximum, and an idle
// endpoint gives them back.
func TestLanesGrowAndShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.Endpoints[0].Queue = Queue{MaxLanes: 4, MaxSamples: 100, Capacity: 200}
		})
		g.rcv.answers(func(http.ResponseWriter, request) bool {
			time.Sleep(time.Second)
			return true
		})
		for n := range 60 {
			for key := range 4 {
				g.tickMany(uint64(key), n, 100)
			}
			time.Sleep(time.Second)
		}
		if n := g.endpoint().laneCount(); n != 4 {
			t.Errorf("%d lanes under load; want 4", n)
		}
		time.Sleep(10 * time.Minute)
		if n := g.endpoint().laneCount(); n != 1 {
			t.Errorf("%d lanes when idle; want 1", n)
		}
		g.end()
	})
}

// Waiting records of one lane go out together, decoded by no one.
func TestWaitingRecordsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.rcv.answers(answering(500))
		for n := range 30 {
			g.tickMany(1, n, 100)
			time.Sleep(time.Second)
		}
		g.rcv.answers(nil)
		before := len(g.rcv.seen())
		time.Sleep(10 * time.Second)
		if n := len(g.rcv.seen()) - before; n > 3 {
			t.Errorf("%d requests for 30 records of 100 samples; want at most 3", n)
		}
		g.end()
		inOrder(t, g.rcv.points(), 100, 30)
	})
}

func TestUnwantedKindsAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) {
			c.Endpoints[0].Exemplars, c.Endpoints[0].NativeHistograms = false, false
		})
		h := g.Resolve(numbered(1), nil)
		b := kinds(h)
		b.Epoch = g.Epoch()
		if err := g.Append(&b); err != nil {
			t.Fatal(err)
		}
		g.end()
		want := []sinktest.Point{{Series: numbered(1).String(), T: 1, V: 1}}
		if got := g.rcv.points(); len(got) != 1 || got[0] != want[0] {
			t.Errorf("arrived: %+v; want %+v", got, want)
		}
		m := g.endpoint().metrics
		if a, b := valueOf(m.skippedExemplars), valueOf(m.skippedHistograms); a != 1 || b != 2 {
			t.Errorf("%v exemplars and %v histograms were counted; want 1 and 2", a, b)
		}
	})
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		began := time.Now()
		g.rcv.answers(answering(500))
		g.tick(1, 0, 1)
		time.Sleep(30 * time.Second)
		if since, _ := g.Health(); !since.Equal(began) {
			t.Errorf("well since %s; want since the start, %s", since, began)
		}
		if _, err := g.Health(); err != nil {
			t.Errorf("after half a minute: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := g.Health(); err == nil || !strings.Contains(err.Error(), "because of 500") {
			t.Errorf("after a minute and a half: %v; want the receiver's words", err)
		}
		if since, _ := g.Health(); since.Sub(began) > time.Second {
			t.Errorf("unwell since %s; want since the first failure, %s", since, began)
		}
		mended := time.Now()
		g.rcv.answers(nil)
		time.Sleep(10 * time.Second)
		if since, err := g.Health(); err != nil || since.Before(mended) {
			t.Errorf("after it was mended: %v, since %s; it was mended at %s", err, since, mended)
		}
		g.end()
	})
}

// A receiver that fails, and then answers but refuses: both are trouble, and
// health says which it is.
func TestHealthTellsRefusalFromFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		status := func(failing, refused bool) {
			t.Helper()
			if s := g.Status()[0]; s.FailingSince.IsZero() == failing || s.Refused != refused {
				t.Errorf("%+v", s)
			}
		}
		send := func(from, to int) {
			for n := from; n < to; n++ {
				g.tick(1, n, 1)
				time.Sleep(5 * time.Second)
			}
		}
		g.rcv.answers(answering(500))
		send(0, 3)
		status(true, false)
		g.rcv.answers(answering(400))
		send(3, 20)
		status(true, true)
		if _, err := g.Health(); err == nil || !strings.Contains(err.Error(), "refuses what it is sent") {
			t.Errorf("health: %v; want that samples are refused", err)
		}
		if n := g.endpoint().failing.times(); n != 0 {
			t.Errorf("%d failures, though the receiver answers", n)
		}
		g.rcv.answers(nil)
		send(20, 21)
		status(false, false)
		if _, err := g.Health(); err != nil {
			t.Errorf("health when all is taken: %v", err)
		}
		g.end()
	})
}

// A redirect that turns POST into GET is not taken for a success, wherever it
// leads.
func TestRedirectThatDropsTheBodyIsNotSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Endpoints[0].HTTP.FollowRedirects = true })
		g.rcv.answers(func(w http.ResponseWriter, r request) bool {
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
			return false
		})
		g.tick(1, 0, 1)
		time.Sleep(2 * time.Minute)
		if _, err := g.Health(); err == nil || !strings.Contains(err.Error(), "/login") {
			t.Errorf("health: %v; want where the redirect leads", err)
		}
		g.rcv.answers(nil)
		time.Sleep(time.Minute)
		g.end()
		inOrder(t, g.rcv.points(), 1, 1)
	})
}

// Two collectors on one storage path: the second says so and waits.
func TestLogOfAnotherProcessIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		first := g.stop
		synctest.Wait()
		g.start()
		g.tick(1, 0, 1)
		time.Sleep(10 * time.Second)
		if _, err := g.Health(); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("health: %v; want that the log is in use", err)
		}
		first()
		time.Sleep(10 * time.Second)
		if _, err := g.Health(); err != nil {
			t.Errorf("health after the first has gone: %v", err)
		}
		g.end()
		inOrder(t, g.rcv.points(), 1, 1)
	})
}

// kinds is a batch with one sample of every kind.
func kinds(h telemetry.Handle) telemetry.Batch {
	return telemetry.Batch{
		Samples:    []telemetry.Sample{{Handle: h, T: 1, V: 1}},
		Histograms: []telemetry.HistogramSample{{Handle: h, T: 1, H: &histogram.Histogram{}}, {Handle: h, T: 1, FH: &histogram.FloatHistogram{}}},
		Exemplars:  []telemetry.ExemplarSample{{Handle: h, Exemplar: exemplar.Exemplar{Labels: labels.FromStrings("a", "b"), Ts: 1}}},
	}
}
