package sinktest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Fixture is one sink to be tested.
type Fixture struct {
	Sink telemetry.Sink

	// Change makes the epoch change, without other labels for any series.
	Change func()

	// Received ends the sink and returns everything that has come out of it,
	// those of one series in the order in which they came.
	Received func() []Point
}

// TestSink checks that the sinks which open returns keep the contract of
// telemetry.Sink. They must take every series, and histograms and exemplars.
func TestSink(t *testing.T, open func(t *testing.T) Fixture) {
	for _, law := range []struct {
		name string
		test func(*testing.T, Fixture)
	}{
		{"EqualLabelsEqualHandles", equalHandles},
		{"EverythingArrivesUnchanged", arrivesUnchanged},
		{"BatchesOfOneKeyStayInOrder", staysInOrder},
		{"BatchIsNotKept", batchNotKept},
		{"UnknownHandlesAreSkipped", unknownSkipped},
		{"OldEpochTakesNothing", oldEpoch},
		{"OldHandlesMarkTheEnd", oldHandles},
		{"ReleasedSeriesMayComeBack", comesBack},
		{"ManyAtOnce", manyAtOnce},
	} {
		t.Run(law.name, func(t *testing.T) { law.test(t, open(t)) })
	}
}

// series returns the labels of series n.
func series(n int) labels.Labels {
	return labels.FromStrings("__name__", "metric", "instance", "a:1", "n", fmt.Sprint(n))
}

// add appends one batch, or fails the test.
func add(t *testing.T, s telemetry.Sink, b telemetry.Batch) {
	t.Helper()
	b.Epoch = s.Epoch()
	if err := s.Append(&b); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func flush(t *testing.T, s telemetry.Sink) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

// samples returns the values of received points as "series t v".
func samples(points []Point) (list []string) {
	for _, p := range points {
		list = append(list, fmt.Sprintf("%s %d %v", p.Series, p.T, p.V))
	}
	return list
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %q; want %q", got, want)
	}
}

func equalHandles(t *testing.T, f Fixture) {
	a, b := f.Sink.Resolve(series(1), nil), f.Sink.Resolve(series(2), nil)
	if a == telemetry.Dropped || b == telemetry.Dropped || a == b {
		t.Fatalf("handles %x and %x; want two", a, b)
	}
	if again := f.Sink.Resolve(series(1), nil); again != a {
		t.Errorf("second Resolve gives %x; want %x", again, a)
	}
	f.Sink.Release([]telemetry.Handle{a})
	if again := f.Sink.Resolve(series(1), nil); again != a {
		t.Errorf("Resolve while one hold is left gives %x; want %x", again, a)
	}
	f.Received()
}

func arrivesUnchanged(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), &telemetry.Metadata{Family: "metric", Type: "gauge", Help: "h"})
	values := []float64{0, math.Copysign(0, -1), 1.5, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(value.StaleNaN)}
	var b telemetry.Batch
	for i, v := range values {
		b.Samples = append(b.Samples, telemetry.Sample{Handle: h, T: int64(1000 + i), V: v})
	}
	ints := &histogram.Histogram{Schema: 1, Count: 3, Sum: 2.5, ZeroThreshold: 0.1, ZeroCount: 1, PositiveSpans: []histogram.Span{{Offset: -2, Length: 2}}, PositiveBuckets: []int64{1, 0}}
	floats := &histogram.FloatHistogram{Schema: -1, Count: 3.5, Sum: math.Float64frombits(value.StaleNaN), NegativeSpans: []histogram.Span{{Offset: 3, Length: 1}}, NegativeBuckets: []float64{3.5}}
	b.Histograms = []telemetry.HistogramSample{{Handle: h, T: 2000, H: ints}, {Handle: h, T: 2001, FH: floats}}
	b.Exemplars = []telemetry.ExemplarSample{{Handle: h, Exemplar: exemplar.Exemplar{Labels: labels.FromStrings("trace", "x"), Value: 7, Ts: 3000}}}
	add(t, f.Sink, b)
	flush(t, f.Sink)

	points := f.Received()
	if want := len(values) + 3; len(points) != want {
		t.Fatalf("received %d points; want %d: %v", len(points), want, points)
	}
	for i, v := range values {
		p := points[i]
		if p.Series != series(1).String() || p.T != int64(1000+i) || math.Float64bits(p.V) != math.Float64bits(v) {
			t.Errorf("sample %d is %s %d %x; want %s %d %x", i, p.Series, p.T, math.Float64bits(p.V), series(1), 1000+i, math.Float64bits(v))
		}
	}
	if p := points[len(values)]; p.T != 2000 || !p.H.Equals(ints) {
		t.Errorf("integer histogram is %d %v; want %v", p.T, p.H, ints)
	}
	if p := points[len(values)+1]; p.T != 2001 || p.FH == nil || math.Float64bits(p.FH.Sum) != value.StaleNaN || !slices.Equal(p.FH.NegativeBuckets, floats.NegativeBuckets) {
		t.Errorf("float histogram is %d %v; want %v", p.T, p.FH, floats)
	}
	if p := points[len(values)+2]; p.T != 3000 || p.V != 7 || p.Exemplar != `{trace="x"}` {
		t.Errorf("exemplar is %+v", p)
	}
}

func staysInOrder(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), nil)
	for i := range 500 {
		add(t, f.Sink, telemetry.Batch{Key: 7, Samples: []telemetry.Sample{{Handle: h, T: int64(i), V: float64(i)}}})
		if i%100 == 0 {
			flush(t, f.Sink)
		}
	}
	flush(t, f.Sink)
	points := f.Received()
	if len(points) != 500 {
		t.Fatalf("received %d points; want 500", len(points))
	}
	for i, p := range points {
		if p.T != int64(i) {
			t.Fatalf("point %d has time %d", i, p.T)
		}
	}
}

func batchNotKept(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), nil)
	b := telemetry.Batch{Epoch: f.Sink.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: 1, V: 1}}}
	if err := f.Sink.Append(&b); err != nil {
		t.Fatal(err)
	}
	b.Samples[0] = telemetry.Sample{Handle: h, T: 99, V: 99}
	b.Reset()
	flush(t, f.Sink)
	sameLines(t, samples(f.Received()), []string{series(1).String() + " 1 1"})
}

func unknownSkipped(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), nil)
	stray := telemetry.NewSinkID().Handle(1)
	never := h + 1000
	add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{
		{Handle: telemetry.Dropped, T: 1}, {Handle: stray, T: 2}, {Handle: h, T: 3}, {Handle: never, T: 4},
	}})
	f.Sink.Release([]telemetry.Handle{telemetry.Dropped, stray, never, h, h, h})
	f.Sink.Release(nil)
	flush(t, f.Sink)
	sameLines(t, samples(f.Received()), []string{series(1).String() + " 3 0"})
}

func oldEpoch(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), nil)
	before := f.Sink.Epoch()
	f.Change()
	if f.Sink.Epoch() == before {
		t.Fatal("the epoch did not change")
	}
	b := telemetry.Batch{Epoch: before, Samples: []telemetry.Sample{{Handle: h, T: 1}}}
	if err := f.Sink.Append(&b); !errors.Is(err, telemetry.ErrEpoch) {
		t.Fatalf("append of an old epoch: %v; want ErrEpoch", err)
	}
	again := f.Sink.Resolve(series(1), nil)
	add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{{Handle: again, T: 2}}})
	f.Sink.Release([]telemetry.Handle{h})
	add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{{Handle: again, T: 3}}})
	flush(t, f.Sink)
	sameLines(t, samples(f.Received()), []string{series(1).String() + " 2 0", series(1).String() + " 3 0"})
}

func oldHandles(t *testing.T, f Fixture) {
	h := f.Sink.Resolve(series(1), nil)
	add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{{Handle: h, T: 1}}})
	f.Change()
	add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{{Handle: h, T: 2}}})
	f.Sink.Release([]telemetry.Handle{h})
	flush(t, f.Sink)
	sameLines(t, samples(f.Received()), []string{series(1).String() + " 1 0", series(1).String() + " 2 0"})
}

func comesBack(t *testing.T, f Fixture) {
	for i := range 100 {
		h := f.Sink.Resolve(series(i%3), nil)
		add(t, f.Sink, telemetry.Batch{Samples: []telemetry.Sample{{Handle: h, T: int64(i)}}})
		f.Sink.Release([]telemetry.Handle{h})
	}
	flush(t, f.Sink)
	if n := len(f.Received()); n != 100 {
		t.Errorf("received %d points; want 100", n)
	}
}

// manyAtOnce has several goroutines that each scrape a target of their own
// while the epoch changes: everything that was accepted arrives, in order.
func manyAtOnce(t *testing.T, f Fixture) {
	const scrapers, rounds, size = 4, 50, 10
	var wg sync.WaitGroup
	for k := range scrapers {
		wg.Go(func() { scrape(t, f.Sink, k, rounds, size) })
	}
	for range 5 {
		f.Change()
		flush(t, f.Sink)
	}
	wg.Wait()
	flush(t, f.Sink)
	last, n := map[string]int64{}, 0
	for _, p := range f.Received() {
		if before, seen := last[p.Series]; seen && p.T != before+1 {
			t.Errorf("%s: %d after %d", p.Series, p.T, before)
		}
		last[p.Series] = p.T
		n++
	}
	if n != scrapers*rounds*size {
		t.Errorf("received %d points; want %d", n, scrapers*rounds*size)
	}
}

// scrape appends rounds batches of the series of target k as a scraper does:
// it resolves again when it is told so.
func scrape(t *testing.T, s telemetry.Sink, k, rounds, size int) {
	var handles []telemetry.Handle
	epoch := telemetry.Epoch(0)
	for round := range rounds {
		for {
			if now := s.Epoch(); now != epoch {
				old := handles
				handles, epoch = nil, now
				for i := range size {
					handles = append(handles, s.Resolve(series(k*size+i), nil))
				}
				s.Release(old)
			}
			b := telemetry.Batch{Epoch: epoch, Key: uint64(k)}
			for _, h := range handles {
				b.Samples = append(b.Samples, telemetry.Sample{Handle: h, T: int64(round)})
			}
			err := s.Append(&b)
			if errors.Is(err, telemetry.ErrEpoch) {
				epoch = 0
				continue
			}
			if err != nil {
				t.Errorf("append: %v", err)
			}
			break
		}
	}
	s.Release(handles)
}
