package remote

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// kinds is a batch with one sample of every kind.
func kinds(h telemetry.Handle) telemetry.Batch {
	return telemetry.Batch{
		Samples:    []telemetry.Sample{{Handle: h, T: 1, V: 1}},
		Histograms: []telemetry.HistogramSample{{Handle: h, T: 1, H: &histogram.Histogram{}}, {Handle: h, T: 1, FH: &histogram.FloatHistogram{}}},
		Exemplars:  []telemetry.ExemplarSample{{Handle: h, Exemplar: exemplar.Exemplar{Labels: labels.FromStrings("a", "b"), Ts: 1}}},
	}
}

// randomString is mostly short, sometimes empty, long or not ASCII.
func randomString(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return ""
	case 1:
		return strings.Repeat("long", r.IntN(100))
	case 2:
		return "ünï—" + fmt.Sprint(r.IntN(5))
	}
	return fmt.Sprint("s", r.IntN(50))
}

func randomLabels(r *rand.Rand) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set("__name__", fmt.Sprint("m", r.IntN(20)))
	for range r.IntN(8) {
		b.Set("l"+fmt.Sprint(r.IntN(30)), randomString(r))
	}
	return b.Labels()
}

func randomValue(r *rand.Rand) float64 {
	special := []float64{0, math.Copysign(0, -1), 1, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(value.StaleNaN), math.MaxFloat64, 5e-324}
	if r.IntN(3) == 0 {
		return special[r.IntN(len(special))]
	}
	return r.NormFloat64() * 1e6
}

func randomTime(r *rand.Rand) int64 {
	if r.IntN(10) == 0 {
		return r.Int64() - r.Int64()
	}
	return 1_700_000_000_000 + r.Int64N(1e9)
}

func randomSpans(r *rand.Rand) (spans []histogram.Span, buckets int) {
	for range r.IntN(4) {
		s := histogram.Span{Offset: r.Int32N(2000) - 1000, Length: r.Uint32N(200)}
		spans = append(spans, s)
		buckets += int(s.Length)
	}
	return spans, buckets
}

func randomHistogram(r *rand.Rand) telemetry.HistogramSample {
	neg, nNeg := randomSpans(r)
	pos, nPos := randomSpans(r)
	s := telemetry.HistogramSample{T: randomTime(r)}
	if r.IntN(2) == 0 {
		s.ST = randomTime(r)
	}
	hint := histogram.CounterResetHint(r.IntN(4))
	if r.IntN(2) == 0 {
		h := &histogram.Histogram{
			CounterResetHint: hint, Schema: r.Int32N(13) - 4, ZeroThreshold: r.Float64(), ZeroCount: r.Uint64(),
			Count: r.Uint64(), Sum: randomValue(r), NegativeSpans: neg, PositiveSpans: pos,
			CustomValues: randomBounds(r),
		}
		for range nNeg {
			h.NegativeBuckets = append(h.NegativeBuckets, r.Int64()-r.Int64())
		}
		for range nPos {
			h.PositiveBuckets = append(h.PositiveBuckets, r.Int64N(100)-50)
		}
		s.H = h
		return s
	}
	h := &histogram.FloatHistogram{
		CounterResetHint: hint, Schema: r.Int32N(13) - 4, ZeroThreshold: r.Float64(), ZeroCount: r.Float64(),
		Count: r.Float64(), Sum: randomValue(r), NegativeSpans: neg, PositiveSpans: pos,
		CustomValues: randomBounds(r),
	}
	for range nNeg {
		h.NegativeBuckets = append(h.NegativeBuckets, r.Float64())
	}
	for range nPos {
		h.PositiveBuckets = append(h.PositiveBuckets, r.Float64())
	}
	s.FH = h
	return s
}

func randomBounds(r *rand.Rand) (list []float64) {
	for range r.IntN(3) * 10 {
		list = append(list, r.NormFloat64())
	}
	return list
}

// fill puts random lines into blk and returns what a receiver must read.
func fill(r *rand.Rand, t *table, blk *block, n int) (want []sinktest.Point) {
	for range n {
		lset := randomLabels(r)
		i, _, ok := t.resolve([]telemetry.Labels{lset}, &telemetry.Metadata{Family: "f", Type: "gauge", Help: randomString(r)})
		if !ok {
			continue
		}
		l := line{table: t, pairs: t.pairsLocked(i, 0), family: t.entries[i].family}
		p := sinktest.Point{Series: lset.String()}
		switch r.IntN(4) {
		case 0:
			s := randomHistogram(r)
			blk.addHistogram(l, s)
			p.T, p.H, p.FH, p.ST = s.T, s.H, s.FH, s.ST
		case 1:
			e := exemplar.Exemplar{Labels: randomLabels(r), Value: randomValue(r), Ts: randomTime(r)}
			blk.addExemplar(l, e)
			p.T, p.V, p.Exemplar = e.Ts, e.Value, e.Labels.String()
		default:
			s := telemetry.Sample{T: randomTime(r), V: randomValue(r)}
			p.ST = int64(r.IntN(3)) * 1000
			blk.addSample(l, s, p.ST)
			p.T, p.V = s.T, s.V
		}
		if blk.kind == kindWrite1 {
			p.ST = 0
		}
		want = append(want, p)
		if r.IntN(3) == 0 {
			t.release(i) // numbers are given to others while the block is open
		}
	}
	return want
}

// recordOf commits blk and reads it back as a sender does.
func recordOf(t *testing.T, blk *block) record {
	t.Helper()
	payload, _ := blk.compress(nil, nil)
	rec, err := openRecord(queue.Entry{Record: queue.Record{
		Kind: blk.kind, Items: uint32(blk.samples + blk.histograms), Payload: payload,
		MinTime: blk.minTime, MaxTime: blk.maxTime,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blk.counts, rec.counts, cmp.AllowUnexported(counts{})); diff != "" {
		t.Errorf("counts (-block +record):\n%s", diff)
	}
	return rec
}

// samePoints compares down to the bits of every float.
func samePoints(t *testing.T, got, want []sinktest.Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("decoded %d points; want %d", len(got), len(want))
	}
	for i := range want {
		if !samePoint(got[i], want[i]) {
			t.Fatalf("point %d (-want +got):\n%s", i, cmp.Diff(want[i], got[i]))
		}
	}
}

func samePoint(a, b sinktest.Point) bool {
	return a.Series == b.Series && a.T == b.T && a.ST == b.ST && a.Exemplar == b.Exemplar &&
		math.Float64bits(a.V) == math.Float64bits(b.V) &&
		(a.H == nil) == (b.H == nil) && (a.FH == nil) == (b.FH == nil) &&
		(a.H == nil || a.H.Equals(b.H) && a.H.CounterResetHint == b.H.CounterResetHint) &&
		(a.FH == nil || a.FH.Equals(b.FH) && a.FH.CounterResetHint == b.FH.CounterResetHint)
}

// What the encoders write is what the libraries of Prometheus read.
func TestEncodersAgreeWithPrometheus(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		tab := newTable(1)
		var blk1, blk2 block
		for range 3 { // blocks are used again
			blk1.reset(kindWrite1, 0, 1)
			blk2.reset(kindWrite2, 0, 1)
			want := fill(r, tab, &blk1, 100)
			got, _ := decode1(t, unsnappy(t, recordOf(t, &blk1).body))
			samePoints(t, got, want)
			want = fill(r, tab, &blk2, 100)
			samePoints(t, decode2(t, unsnappy(t, recordOf(t, &blk2).body)), want)
		}
	}
}

func unsnappy(t *testing.T, body []byte) []byte {
	t.Helper()
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatalf("decode snappy: %v", err)
	}
	return raw
}

// Snappy blocks behind each other are one that golang/snappy reads.
func TestMergedBodiesDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	tab := newTable(1)
	var recs []record
	var want []sinktest.Point
	for range 20 {
		var blk block
		blk.reset(kindWrite1, 0, 1)
		want = append(want, fill(r, tab, &blk, 1+r.IntN(300))...)
		recs = append(recs, recordOf(t, &blk))
		got, _ := decode1(t, unsnappy(t, newLoad(recs).body))
		samePoints(t, got, want)
	}
}

// A 2.0 record as 1.0 says the same, but for start timestamps.
func TestDowngradeKeepsEverythingThatOneKnows(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var blk block
		blk.reset(kindWrite2, 0, 1)
		want := fill(r, newTable(1), &blk, 100)
		for i := range want {
			want[i].ST = 0
		}
		l, err := newLoad([]record{recordOf(t, &blk)}).downgraded()
		if err != nil {
			t.Fatal(err)
		}
		got, _ := decode1(t, unsnappy(t, l.body))
		samePoints(t, got, want)
		if l.counts != blk.counts {
			t.Errorf("counts %+v; want %+v", l.counts, blk.counts)
		}
	}
}

// Halves of halves are all there is, in order.
func TestHalvesAreTheWhole(t *testing.T) {
	for _, kind := range []uint8{kindWrite1, kindWrite2} {
		r := rand.New(rand.NewPCG(2, 0))
		var blk block
		blk.reset(kind, 0, 1)
		want := fill(r, newTable(1), &blk, 77)
		var got []sinktest.Point
		var walk func(l load)
		walk = func(l load) {
			a, b, ok, err := l.halves()
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				if sum := a.counts.plus(b.counts); sum != l.counts {
					t.Errorf("halves hold %+v; want %+v", sum, l.counts)
				}
				walk(a)
				walk(b)
				return
			}
			if l.items() != 1 {
				t.Errorf("a leaf holds %d items", l.items())
			}
			if kind == kindWrite1 {
				points, _ := decode1(t, unsnappy(t, l.body))
				got = append(got, points...)
			} else {
				got = append(got, decode2(t, unsnappy(t, l.body))...)
			}
		}
		walk(newLoad([]record{recordOf(t, &blk)}))
		samePoints(t, got, want)
	}
}

func TestLabelsOfASeriesForTheLog(t *testing.T) {
	for _, kind := range []uint8{kindWrite1, kindWrite2} {
		tab := newTable(1)
		var blk block
		blk.reset(kind, 0, 1)
		i, _, _ := tab.resolve([]telemetry.Labels{labels.FromStrings("__name__", "up", "job", "a\"b")}, nil)
		blk.addSample(line{table: tab, pairs: tab.pairsLocked(i, 0)}, telemetry.Sample{}, 0)
		l, err := newLoad([]record{recordOf(t, &blk)}).decoded()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := l.labelsOf(l.series[0]), `{__name__="up",job="a\"b"}`; got != want {
			t.Errorf("labels %s; want %s", got, want)
		}
	}
}

// 2.0 wants each string once and the empty one first.
func TestSymbolsAreUnique(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	var blk block
	blk.reset(kindWrite2, 0, 1)
	fill(r, newTable(1), &blk, 500)
	var req writev2.Request
	if err := req.Unmarshal(unsnappy(t, recordOf(t, &blk).body)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range req.Symbols {
		if seen[s] {
			t.Errorf("symbol %q is there twice", s)
		}
		seen[s] = true
	}
	if len(req.Symbols) == 0 || req.Symbols[0] != "" {
		t.Error("the first symbol is not the empty string")
	}
}

func TestYoungerDropsWhatIsOld(t *testing.T) {
	tab := newTable(1)
	i, _, _ := tab.resolve([]telemetry.Labels{labels.FromStrings("a", "b")}, nil)
	rec := func(times ...int64) record {
		var blk block
		blk.reset(kindWrite1, 0, 1)
		for _, at := range times {
			blk.addSample(line{table: tab, pairs: tab.pairsLocked(i, 0)}, telemetry.Sample{T: at}, 0)
		}
		return recordOf(t, &blk)
	}
	f := func(recs []record, cutoff int64, wantKept, wantOld int) {
		t.Helper()
		rest, old := newLoad(recs).younger(cutoff)
		if rest.samples != wantKept || old.samples != wantOld {
			t.Errorf("cutoff %d keeps %d, drops %d; want %d, %d", cutoff, rest.samples, old.samples, wantKept, wantOld)
		}
		if rest.empty() != (wantKept == 0) {
			t.Errorf("cutoff %d: empty is %v", cutoff, rest.empty())
		}
	}
	one := []record{rec(10, 20, 30)}
	f(one, 5, 3, 0)
	f(one, 10, 3, 0)
	f(one, 11, 2, 1)
	f(one, 30, 1, 2)
	f(one, 31, 0, 3)
	two := []record{rec(10, 20), rec(30, 40)}
	f(two, 25, 2, 2)
	f(two, 15, 4, 0) // records that go together are looked into only as wholes
	f(two, 99, 0, 4)
}

// Whatever is in a record, reading it neither panics nor hangs.
func FuzzRecord(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 0))
	for _, kind := range []uint8{kindWrite1, kindWrite2} {
		var blk block
		blk.reset(kind, 0, 1)
		fill(r, newTable(1), &blk, 5)
		payload, _ := blk.compress(nil, nil)
		f.Add(kind, payload)
	}
	f.Add(uint8(9), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		rec, err := openRecord(queue.Entry{Record: queue.Record{Kind: kind, Payload: payload, Items: 10}})
		if err != nil {
			return
		}
		if n, _ := snappy.DecodedLen(rec.body); n > 1<<20 {
			return
		}
		l := newLoad([]record{rec, rec})
		_, _, _, _ = l.halves()
		single := newLoad([]record{rec})
		single.younger(1 << 40)
		if d, err := single.downgraded(); err == nil && len(d.series) > 0 {
			d.labelsOf(d.series[0])
		}
		if d, err := single.decoded(); err == nil {
			d.halves()
		}
	})
}
