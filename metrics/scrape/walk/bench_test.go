package walk

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/telemetry"
)

// nullSink takes everything and keeps but the numbers of series.
type nullSink struct{ known map[uint64]telemetry.Handle }

func (s *nullSink) Resolve(lset telemetry.Labels, _ *telemetry.Metadata) telemetry.Handle {
	if s.known == nil {
		s.known = map[uint64]telemetry.Handle{}
	}
	hash := lset.Hash()
	h := s.known[hash]
	if h == telemetry.Dropped {
		h = telemetry.SinkID(1).Handle(len(s.known) + 1)
		s.known[hash] = h
	}
	return h
}
func (s *nullSink) Epoch() telemetry.Epoch        { return 1 }
func (s *nullSink) Append(*telemetry.Batch) error { return nil }
func (s *nullSink) Flush(context.Context) error   { return nil }
func (s *nullSink) Release([]telemetry.Handle)    {}

// A testWalk is a walk with a target of its own.
type testWalk struct {
	*Walk
	t int64
}

func newTestWalk(rules Rules, sink telemetry.Sink) *testWalk {
	w := New(maphash.MakeSeed())
	w.rules, w.memory, w.sink = &rules, &Memory{}, sink
	w.visit = &Visit{Check: func() error { return nil }}
	w.target = &Target{Labels: labels.FromStrings("instance", "a:80", "job", "j"), Interval: 10 * time.Second}
	return &testWalk{Walk: w}
}

// plain are the rules of Prometheus' defaults.
func plain() Rules {
	return Rules{DefaultType: mediaText, ValidationScheme: model.UTF8Validation, HonorTimestamps: true}
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
		w := newTestWalk(plain(), &nullSink{})
		for i := 0; b.Loop(); i++ {
			if err := w.scrape(pages[i%len(pages)], "text/plain"); err != nil || w.Total != n {
				b.Fatal(err, w.Total)
			}
			w.commit(false)
		}
		perSample(b)
	})
	b.Run("tenth new", func(b *testing.B) {
		b.ReportAllocs()
		began = processTime()
		w := newTestWalk(plain(), &nullSink{})
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
		w := newTestWalk(plain(), &nullSink{})
		om := make([][]byte, len(pages))
		for i, p := range pages {
			om[i] = append(bytes.ReplaceAll(p, []byte("_total counter"), []byte("_total gauge")), "# EOF\n"...)
		}
		for i := 0; b.Loop(); i++ {
			if err := w.scrape(om[i%len(om)], "application/openmetrics-text; version=1.0.0"); err != nil || w.Total != n {
				b.Fatal(err, w.Total)
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
