package scrape

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/telemetry"
)

// nullSink takes everything and keeps nothing.
type nullSink struct{ last int }

func (s *nullSink) Resolve(telemetry.Labels, *telemetry.Metadata) telemetry.Handle {
	s.last++
	return telemetry.SinkID(1).Handle(s.last)
}
func (s *nullSink) Epoch() telemetry.Epoch        { return 1 }
func (s *nullSink) Append(*telemetry.Batch) error { return nil }
func (s *nullSink) Flush(context.Context) error   { return nil }
func (s *nullSink) Release([]telemetry.Handle)    {}

// A testWalk is a walk with a target of its own.
type testWalk struct {
	*walk
	t int64
}

func newTestWalk(tb testing.TB, cfg Config, sink telemetry.Sink) *testWalk {
	tb.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	set, err := newSettings(cfg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	commons, err := NewCommons(nil, "")
	if err != nil {
		tb.Fatal(err)
	}
	set.join(commons)
	id, err := identify(set, labels.FromStrings("__address__", "a:80"), 0)
	if err != nil {
		tb.Fatal(err)
	}
	w := newWalk(maphash.MakeSeed())
	w.set, w.id, w.memory, w.sink = set, id, &memory{}, sink
	return &testWalk{walk: w}
}

// scrape walks one body.
func (w *testWalk) scrape(body []byte, contentType string) error {
	w.t += 10_000
	w.now = w.t
	w.begin(w.t)
	return w.read(body, contentType)
}

// textPage is an exposition of n series with values at random.
func textPage(n int, r *rand.Rand) []byte {
	var b bytes.Buffer
	for i := range n {
		if i%50 == 0 {
			fmt.Fprintf(&b, "# HELP bench_metric_%d_total Some help text.\n# TYPE bench_metric_%d_total counter\n", i/50, i/50)
		}
		fmt.Fprintf(&b, "bench_metric_%d_total{handler=\"/api/v1/thing\",method=\"GET\",code=\"%d\"} %v\n", i/50, i, randomValue(r))
	}
	return b.Bytes()
}

// randomValue is a number as expositions have them: mostly small integers.
func randomValue(r *rand.Rand) any {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return r.IntN(1000)
	case 2:
		return r.IntN(1e9)
	}
	return float64(r.IntN(1e9)) / 1e4
}

// processTime is the processor time that the process has used. On a machine
// with other work it says more than the time on the wall.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkWalk(b *testing.B) {
	const n = 1000
	r := rand.New(rand.NewPCG(1, 2))
	pages := [][]byte{textPage(n, r), textPage(n, r), textPage(n, r), textPage(n, r)}
	var began time.Duration
	perSample := func(b *testing.B) {
		b.ReportMetric(float64(processTime()-began)/float64(b.N*n), "cpu-ns/sample")
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		began = processTime()
		w := newTestWalk(b, plain(), &nullSink{})
		for i := 0; b.Loop(); i++ {
			if err := w.scrape(pages[i%len(pages)], "text/plain"); err != nil || w.total != n {
				b.Fatal(err, w.total)
			}
			w.commit(false)
		}
		perSample(b)
	})
	b.Run("tenth new", func(b *testing.B) {
		b.ReportAllocs()
		began = processTime()
		w := newTestWalk(b, plain(), &nullSink{})
		for i := 0; b.Loop(); i++ {
			body := bytes.ReplaceAll(pages[i%len(pages)], []byte(`code="1`), fmt.Appendf(nil, `code="%d-1`, i))
			if err := w.scrape(body, "text/plain"); err != nil {
				b.Fatal(err)
			}
			w.finish()
			w.commit(false)
		}
		perSample(b)
	})
	b.Run("openmetrics", func(b *testing.B) {
		b.ReportAllocs()
		began = processTime()
		w := newTestWalk(b, plain(), &nullSink{})
		om := make([][]byte, len(pages))
		for i, p := range pages {
			om[i] = append(bytes.ReplaceAll(p, []byte("_total counter"), []byte("_total gauge")), "# EOF\n"...)
		}
		for i := 0; b.Loop(); i++ {
			if err := w.scrape(om[i%len(om)], "application/openmetrics-text; version=1.0.0"); err != nil || w.total != n {
				b.Fatal(err, w.total)
			}
			w.commit(false)
		}
		perSample(b)
	})
	b.Run("textparse alone", func(b *testing.B) {
		b.ReportAllocs()
		began = processTime()
		for i := 0; b.Loop(); i++ {
			p := textparse.NewPromParser(pages[i%len(pages)], labels.NewSymbolTable(), false)
			for {
				if _, err := p.Next(); err != nil {
					break
				}
			}
		}
		perSample(b)
	})
}

// BenchmarkPool scrapes ten targets of a thousand series over HTTP in memory,
// all in one tick.
func BenchmarkPool(b *testing.B) {
	const n = 10
	f := &farm{hosts: map[string]http.Handler{}}
	cfg := plain()
	cfg.Dial = f.dial
	cfg.Compression = false
	p, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	p.SetSink(&nullSink{})
	var addrs []string
	body := string(textPage(1000, rand.New(rand.NewPCG(1, 2))))
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("t%d:80", i))
		f.text(addrs[i], body)
	}
	p.SetTargets(targets(addrs...))
	var due []schedule.Due
	for _, t := range targets(addrs...) {
		due = append(due, schedule.Due{Key: owner.TargetKey(t)})
	}
	b.ReportAllocs()
	began := processTime()
	for b.Loop() {
		for i := range due {
			due[i].Slot = time.Now()
		}
		p.serve(schedule.Round{Due: due})
		p.wg.Wait()
	}
	b.ReportMetric(float64(processTime()-began)/float64(b.N*n*1000), "cpu-ns/sample")
	p.set.client.CloseIdleConnections()
	f.close()
}
