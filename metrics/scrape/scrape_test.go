package scrape

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// expect compares the batches of one interval; want has one text per batch.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// lines joins the lines of a batch.
func lines(l ...string) string { return strings.Join(l, "\n") }

func TestSeriesThatVanishIsMarkedOnce(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "# TYPE x gauge\nx 1\ny{b=\"c\"} 2\nz 3\n")
		expect(t, r.next(), lines(`{"x"} 1`, `{"y", b="c"} 2`, `{"z"} 3`))
		r.text("a:80", "# TYPE x gauge\nx 4\nz 5\n")
		expect(t, r.next(), lines(`{"x"} 4`, `{"y", b="c"} stale`, `{"z"} 5`))
		expect(t, r.next(), lines(`{"x"} 4`, `{"z"} 5`))
		r.text("a:80", "z 7\ny{b=\"c\"} 8\n")
		expect(t, r.next(), lines(`{"x"} stale`, `{"y", b="c"} 8`, `{"z"} 7`))
	})
}

// A fault half-way ends every series, also those before it, and what was
// learnt in the failed scrape is given back.
func TestFaultHalfWayEndsEverySeries(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny 2\n")
		r.next()
		r.text("a:80", "x 1\nnew 1\ny 2\nrubbish{\n")
		expect(t, r.next(), lines(`{"x"} stale`, `{"y"} stale`))
		if n := len(r.sink.held()); n != 2+basicReports {
			t.Errorf("%d series held after a failed scrape; want %d", n, 2+basicReports)
		}
		expect(t, r.next(), "")
		r.text("a:80", "x 3\ny 4\n")
		expect(t, r.next(), lines(`{"x"} 3`, `{"y"} 4`))
	})
}

func TestMemoryIsNotConfusedByShuffles(t *testing.T) {
	run(t, plain(), func(r *rig) {
		for _, body := range []string{"a 1\nb 2\nab 3\n", "b 1\na 2\nab 3\n", "b 1\na 2\nb 7\nab 3\n", "ab 1\na 1\nb 1\n", "a 1 \nb\t1\nab  1\n"} {
			r.text("a:80", body)
			var want []string
			seen := map[string]bool{}
			for _, l := range strings.Split(strings.TrimSpace(body), "\n") {
				f := strings.Fields(l)
				if !seen[f[0]] {
					want = append(want, fmt.Sprintf("{%q} %s", f[0], f[1]))
				}
				seen[f[0]] = true
			}
			slices.Sort(want)
			expect(t, r.next(), lines(want...))
		}
	})
}

// When the sink's rules change, a handle from before may stand for a series
// that goes on under another handle: it gets no marker. One that the new rules
// drop, or that is not exposed any more, has ended.
func TestChangeOfTheSinkEndsWhatIsGone(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny 1\n")
		r.next()
		r.sink.change()
		b := r.nextBatch(t)
		for _, l := range b.lines {
			if strings.Contains(l, " stale ") {
				t.Errorf("ended: %s", l)
			}
		}
		r.text("a:80", "x 2\n")
		r.sink.change()
		expect(t, r.next(), lines(`{"x"} 2`, `{"y"} stale`))
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		r.sink.change()
		expect(t, r.next(), `{"x"} stale`)
	})
}

func TestNewConfigurationEndsTheOldSeries(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\n")
		r.next()
		cfg := plain()
		cfg.JobName, cfg.Dial = "other", nil
		if err := r.pool.Update(cfg); err != nil {
			t.Fatal(err)
		}
		b := r.nextBatch(t)
		stale, ups := 0, 0
		for _, l := range b.lines {
			if strings.Contains(l, `job="j"`) && strings.Contains(l, " stale ") {
				stale++
			}
			if strings.Contains(l, `job="other"`) {
				ups++
			}
		}
		jobs := make(chan prometheus.Metric, 10)
		r.pool.set.metrics.poolTargets.Collect(jobs)
		if len(jobs) != 1 {
			t.Errorf("%d jobs in the metrics; want 1", len(jobs))
		}
		if stale != 1+basicReports || ups != 1+basicReports {
			t.Errorf("%d old series ended, %d new ones came; want %d each: %v", stale, ups, 1+basicReports, b.lines)
		}
	})
}

// The rules may change between Resolve and Append: the scrape is made again
// from the page in hand.
func TestChangeDuringScrapeLosesNothing(t *testing.T) {
	run(t, plain(), func(r *rig) {
		for i := range 5 {
			r.text("a:80", fmt.Sprintf("x %d\nx_%d 1\ny 1 %d\n", i, i, 1000+i))
			want := fmt.Sprintf("{\"x\"} %d\n{\"x_%d\"} 1\n{\"y\"} 1 @%d", i, i, 1000+i)
			if i > 0 {
				want = fmt.Sprintf("{\"x\"} %d\n{\"x_%d\"} stale\n{\"x_%d\"} 1\n{\"y\"} 1 @%d", i, i-1, i, 1000+i)
			}
			r.sink.tell(nil, i%3)
			expect(t, r.next(), want)
		}
	})
}

func TestRefusedBatchIsLostWhole(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny 1\n")
		r.next()
		r.sink.tell(errors.New("disk is full"), 0)
		r.text("a:80", "x 1\nz 1\n")
		expect(t, r.next())
		r.sink.tell(nil, 0)
		expect(t, r.next(), lines(`{"x"} 1`, `{"y"} stale`, `{"z"} 1`))
	})
}

func TestDroppedSeriesAreCountedAsScraped(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny{drop=\"yes\"} 1\n")
		for range 3 {
			b := r.nextBatch(t)
			if got := b.report("scrape_samples_scraped") + " " + b.report("scrape_samples_post_metric_relabeling"); got != "2 1" {
				t.Errorf("scraped and kept: %s; want 2 1", got)
			}
		}
	})
}

func TestRemovedTargetEndsAfterTwoSlots(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\n")
		first := r.nextBatch(t)
		r.pool.SetTargets(nil)
		expect(t, r.next())
		end := r.nextBatch(t)
		if len(end.lines) != 1+basicReports {
			t.Errorf("ended %v; want x and the report series", end.lines)
		}
		slot := first.reportTime()
		for _, l := range end.lines {
			if !strings.Contains(l, " stale @") || l[strings.LastIndex(l, " @"):] == slot {
				t.Errorf("line %q", l)
			}
		}
		if len(r.sink.held()) != 0 {
			t.Errorf("held after the end: %v", r.sink.held())
		}
		expect(t, r.next())
	})
}

func TestTargetThatComesBackGoesOn(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny 1\n")
		r.next()
		r.pool.SetTargets(nil)
		expect(t, r.next())
		r.text("a:80", "x 2\n")
		r.pool.SetTargets(targets("a:80"))
		expect(t, r.next(), lines(`{"x"} 2`, `{"y"} stale`))
		expect(t, r.next(), `{"x"} 2`)
	})
}

// A target with another key and the same labels goes on with the series.
func TestTwinGoesOnWithTheSeries(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\n")
		r.next()
		r.pool.SetTargets([]telemetry.Target{labels.FromStrings("__address__", "a:80", "__metrics_path__", "/other")})
		for range 4 {
			for _, got := range r.next() {
				if got != `{"x"} 1` && got != "" {
					t.Errorf("batch %q", got)
				}
			}
		}
	})
}

func TestTargetsWithOneKeyAreScrapedOnce(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\n")
		twice := labels.FromStrings("__address__", "a:80", "__meta_pod", "p")
		r.pool.SetTargets(append(targets("a:80", "a:80"), twice))
		expect(t, r.next(), `{"x"} 1`)
		if n := len(r.pool.Targets()); n != 1 {
			t.Errorf("%d targets; want 1", n)
		}
	})
}

func TestOthersTargetsAreNotScraped(t *testing.T) {
	cfg := plain()
	cfg.View = cell.New(owner.Alone("other"))
	run(t, cfg, func(r *rig) {
		r.text("a:80", "x 1\n")
		expect(t, r.next())
		r.view.Set(owner.Alone("me"))
		expect(t, r.next(), `{"x"} 1`)
		r.view.Set(owner.Alone("other")) // no marker when it moves
		expect(t, r.next())
		r.pool.SetTargets(nil)
		expect(t, r.next())
		expect(t, r.next())
	})
}

func TestScrapeInFlightIsFinishedOnCancel(t *testing.T) {
	var sink *recorder
	run(t, plain(), func(r *rig) {
		sink = r.sink
		began := make(chan struct{}, 1)
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) {
			began <- struct{}{}
			time.Sleep(2 * time.Second)
			fmt.Fprint(w, "x 1\n")
		})
		<-began
	})
	if got := sink.lines(); len(got) != 1 || got[0] != `{"x"} 1` {
		t.Errorf("appended %q; want the scrape in flight", got)
	}
}

func TestSlowTargetDelaysNoOther(t *testing.T) {
	run(t, plain(), func(r *rig) {
		var addrs []string
		for i := range 50 {
			addr := fmt.Sprintf("slow%d:80", i)
			r.serve(addr, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
			addrs = append(addrs, addr)
		}
		r.text("a:80", "x 1\n")
		r.pool.SetTargets(targets(append(addrs, "a:80")...))
		time.Sleep(time.Minute)
		synctest.Wait()
		good := 0
		for _, b := range r.sink.take() {
			if slices.ContainsFunc(b.lines, func(l string) bool { return strings.HasPrefix(l, `{__name__="x"`) }) {
				good++
				if want := fmt.Sprintf(" @%d", b.at.UnixMilli()); b.reportTime() != want {
					t.Errorf("scrape at %s has timestamp %s", b.at, b.reportTime())
				}
			}
		}
		if good != 6 {
			t.Errorf("%d good scrapes in a minute; want 6", good)
		}
	})
}

// A scrape carries the time of its slot if it begins at once, else the time at
// which it begins.
func TestTimestampIsTheSlotUnlessLate(t *testing.T) {
	slot := time.UnixMilli(1_000_000)
	f := func(interval, late, waited, want time.Duration) {
		t.Helper()
		made := time.Now()
		j := job{id: &identity{Target: walk.Target{Interval: interval}}, slot: slot, late: late, made: made}
		if got := j.timestamp(made.Add(waited)).Sub(slot); got != want {
			t.Errorf("interval %s, late by %s and %s: stamped %s after the slot; want %s", interval, late, waited, got, want)
		}
	}
	const ms = time.Millisecond
	f(10*time.Second, 0, 0, 0)
	f(10*time.Second, ms, ms, 0)
	f(10*time.Second, 2*ms, ms, 3*ms)
	f(10*time.Second, 0, 700*ms, 700*ms)
	f(100*ms, ms, 0, 0)
	f(100*ms, 2*ms, 0, 2*ms)
}

func TestStatusSaysWhatHappened(t *testing.T) {
	run(t, plain(), func(r *rig) {
		status := func() status.Target { return r.pool.Targets()[0] }
		if s := status(); s.Health != "unknown" || s.URL != "http://a:80/metrics" || s.Job != "j" {
			t.Errorf("before the first scrape: %+v", s)
		}
		r.text("a:80", "x 1\n")
		r.next()
		if s := status(); s.Health != "up" || s.Err != "" || s.At.IsZero() || s.Labels.Get("instance") != "a:80" {
			t.Errorf("after a good scrape: %+v", s)
		}
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		r.next()
		if s := status(); s.Health != "down" || !strings.Contains(s.Err, "418") {
			t.Errorf("after a bad scrape: %+v", s)
		}
	})
}

func TestSinkMayBeReplaced(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\n")
		r.next()
		other := newRecorder()
		r.pool.SetSink(other)
		expect(t, r.next())
		expect(t, other.lines(), `{"x"} 1`)
		if len(r.sink.held()) != 0 {
			t.Errorf("the old sink still holds %v", r.sink.held())
		}
		r.pool.SetSink(r.sink)
		expect(t, r.next(), `{"x"} 1`)
	})
}

func TestZeroSampleOnlyWhereNoneCanBeLater(t *testing.T) {
	cfg := plain()
	cfg.StartTimestamps = true
	run(t, cfg, func(r *rig) {
		answer := func(st time.Time, v int) {
			r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
				fmt.Fprintf(w, "# TYPE x counter\nx_total %d\nx_created %d\n# EOF\n", v, st.Unix())
			})
		}
		start := time.Now()
		answer(start.Add(-time.Hour), 5) // somebody may have scraped it meanwhile
		expect(t, r.next(), `{"x_total"} 5`)
		answer(start.Add(-time.Hour), 6)
		expect(t, r.next(), `{"x_total"} 6`)
		began := time.Now().Truncate(time.Second)
		answer(began, 1)
		got := r.next()
		if want := fmt.Sprintf("{\"x_total\"} 0 @%d\n{\"x_total\"} 1", began.UnixMilli()); began.Before(time.Now().Add(-9*time.Second)) && got[0] != want {
			t.Errorf("after a restart: %q; want %q", got[0], want)
		}
		expect(t, r.next(), `{"x_total"} 1`)
	})
}
