package echo

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/telemetry"
)

// batch is one of everything that a sink may be given.
func batch(s *Sink) *telemetry.Batch {
	md := &telemetry.Metadata{Family: "req_total", Type: model.MetricTypeCounter, Help: "Requests\nserved.", Unit: ""}
	a := s.Resolve(labels.FromStrings("__name__", "req_total", "code", `2"0\0`, "path", "a\nb"), md)
	b := s.Resolve(labels.FromStrings("__name__", "req_total", "code", "500"), md)
	c := s.Resolve(labels.FromStrings("__name__", "a.dotted name", "a.label", "x"), nil)
	h := s.Resolve(labels.FromStrings("__name__", "lat"), &telemetry.Metadata{Family: "lat", Type: model.MetricTypeHistogram})
	return &telemetry.Batch{
		Epoch: s.Epoch(),
		Samples: []telemetry.Sample{
			{Handle: a, T: 1500, V: 1},
			{Handle: b, T: 1500, V: math.Inf(1)},
			{Handle: c, T: 1500, V: math.NaN()},
			{Handle: b, T: 2000, V: math.Float64frombits(value.StaleNaN)},
			{Handle: 12345, T: 1, V: 1},
		},
		Histograms: []telemetry.HistogramSample{
			{Handle: h, T: 1500, H: &histogram.Histogram{Count: 3, Sum: 4, ZeroCount: 3}},
			{Handle: h, T: 1600, FH: &histogram.FloatHistogram{Sum: math.Float64frombits(value.StaleNaN)}},
		},
		Exemplars: []telemetry.ExemplarSample{{Handle: a, Exemplar: exemplar.Exemplar{Labels: labels.FromStrings("trace", "t1"), Value: 0.5, Ts: 1400, HasTs: true}}},
	}
}

func TestFormats(t *testing.T) {
	f := func(format Format, want string) {
		t.Helper()
		var out strings.Builder
		s := New(&out, format)
		if err := s.Append(batch(s)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimLeft(want, "\n"), out.String()); diff != "" {
			t.Error(diff)
		}
	}
	f(Text, `
# HELP req_total Requests\nserved.
# TYPE req_total counter
req_total{code="2\"0\\0",path="a\nb"} 1 1500
req_total{code="500"} +Inf 1500
{"a.dotted name","a.label"="x"} NaN 1500
# stale: req_total{code="500"} 2000
# TYPE lat histogram
# native histogram: lat {count:3, sum:4, [-0,0]:3} 1500
# stale: lat 1600
`)
	f(OpenMetrics, `
# HELP req_total Requests\nserved.
# TYPE req_total counter
req_total{code="2\"0\\0",path="a\nb"} 1 1.5 # {trace="t1"} 0.5 1.4
req_total{code="500"} +Inf 1.5
{"a.dotted name","a.label"="x"} NaN 1.5
# stale: req_total{code="500"} 2
# TYPE lat histogram
# native histogram: lat {count:3, sum:4, [-0,0]:3} 1.5
# stale: lat 1.6
# EOF
`)
}

// What is printed as text can be parsed again, to the same series.
func TestTextIsExposition(t *testing.T) {
	var out strings.Builder
	s := New(&out, Text)
	if err := s.Append(batch(s)); err != nil {
		t.Fatal(err)
	}
	p := textparse.NewPromParser([]byte(out.String()), labels.NewSymbolTable(), false)
	var got []string
	for {
		kind, err := p.Next()
		if err != nil {
			break
		}
		if kind == textparse.EntrySeries {
			var lset labels.Labels
			p.Labels(&lset)
			got = append(got, lset.String())
		}
	}
	want := []string{
		`{__name__="req_total", code="2\"0\\0", path="a\nb"}`,
		`{__name__="req_total", code="500"}`,
		`{__name__="a.dotted name", "a.label"="x"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSeriesAreForgottenWithTheirLastHold(t *testing.T) {
	var out strings.Builder
	s := New(&out, Text)
	lset := labels.FromStrings("__name__", "up")
	a, b := s.Resolve(lset, nil), s.Resolve(lset, nil)
	if a != b {
		t.Fatalf("equal labels give %x and %x", a, b)
	}
	one := &telemetry.Batch{Epoch: s.Epoch(), Samples: []telemetry.Sample{{Handle: a, T: 1, V: 1}}}
	s.Release([]telemetry.Handle{a, telemetry.Dropped, 999})
	if _ = s.Append(one); out.String() != "up 1 1\n" {
		t.Errorf("printed %q", out.String())
	}
	s.Release([]telemetry.Handle{a, a})
	if _ = s.Append(one); out.String() != "up 1 1\n" || len(s.byLabels) != 0 {
		t.Errorf("printed %q after the last release; %d series", out.String(), len(s.byLabels))
	}
	other := s.Resolve(labels.FromStrings("__name__", "other"), nil)
	if i, _ := s.id.Index(other); i != 1 {
		t.Errorf("a free place is not used again: %d", i)
	}
}

func TestOldEpochIsRefused(t *testing.T) {
	s := New(&strings.Builder{}, Text)
	if err := s.Append(&telemetry.Batch{Epoch: s.Epoch() + 1}); !errors.Is(err, telemetry.ErrEpoch) {
		t.Error(err)
	}
}

// Batches of several senders do not mix.
func TestBatchesStayWhole(t *testing.T) {
	var out strings.Builder
	s := New(&out, OpenMetrics)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				b := batch(s)
				if err := s.Append(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	parts := strings.SplitAfter(out.String(), "# EOF\n")
	for _, part := range parts[:len(parts)-1] {
		if part != parts[0] {
			t.Fatalf("batches differ:\n%s\n%s", part, parts[0])
		}
	}
	if len(parts) != 401 {
		t.Errorf("%d batches; want 400", len(parts)-1)
	}
}
