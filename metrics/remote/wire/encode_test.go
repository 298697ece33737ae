package wire

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
func fill(r *rand.Rand, t *Table, blk *Block, n int) (want []sinktest.Point) {
	for range n {
		lset := randomLabels(r)
		i, _, ok := t.Resolve([]telemetry.Labels{lset}, &telemetry.Metadata{Family: "f", Type: "gauge", Help: randomString(r)})
		if !ok {
			continue
		}
		l, _ := t.LineLocked(i, 0)
		p := sinktest.Point{Series: lset.String()}
		switch r.IntN(4) {
		case 0:
			s := randomHistogram(r)
			blk.AddHistogram(l, s)
			p.T, p.H, p.FH, p.ST = s.T, s.H, s.FH, s.ST
		case 1:
			e := exemplar.Exemplar{Labels: randomLabels(r), Value: randomValue(r), Ts: randomTime(r)}
			blk.AddExemplar(l, e)
			p.T, p.V, p.Exemplar = e.Ts, e.Value, e.Labels.String()
		default:
			s := telemetry.Sample{T: randomTime(r), V: randomValue(r)}
			p.ST = int64(r.IntN(3)) * 1000
			blk.AddSample(l, s, p.ST)
			p.T, p.V = s.T, s.V
		}
		if blk.Kind == KindWrite1 {
			p.ST = 0
		}
		want = append(want, p)
		if r.IntN(3) == 0 {
			t.Release(i) // numbers are given to others while the block is open
		}
	}
	return want
}

// recordOf commits blk and reads it back as a sender does.
func recordOf(t *testing.T, blk *Block) Record {
	t.Helper()
	payload := blk.Compress(nil)
	rec, err := OpenRecord(queue.Entry{Record: queue.Record{
		Kind: blk.Kind, Items: uint32(blk.Samples + blk.Histograms), Payload: payload,
		MinTime: blk.MinTime, MaxTime: blk.MaxTime,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blk.Counts, rec.Counts, cmp.AllowUnexported(Counts{})); diff != "" {
		t.Errorf("Counts (-block +Record):\n%s", diff)
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

// decode1 and decode2 read with the libraries of Prometheus.
func decode1(t *testing.T, raw []byte) []sinktest.Point {
	t.Helper()
	points, _, err := sinktest.Decode1(raw)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

func decode2(t *testing.T, raw []byte) []sinktest.Point {
	t.Helper()
	points, err := sinktest.Decode2(raw)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// What the encoders write is what the libraries of Prometheus read.
func TestEncodersAgreeWithPrometheus(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		tab := NewTable(1)
		var blk1, blk2 Block
		for range 3 { // blocks are used again
			blk1.Reset(KindWrite1, 0, 1)
			blk2.Reset(KindWrite2, 0, 1)
			want := fill(r, tab, &blk1, 100)
			got := decode1(t, unsnappy(t, recordOf(t, &blk1).Body))
			samePoints(t, got, want)
			want = fill(r, tab, &blk2, 100)
			samePoints(t, decode2(t, unsnappy(t, recordOf(t, &blk2).Body)), want)
		}
	}
}

// A run is AddSample many times over, to the last byte.
func TestRunIsAddSampleManyTimes(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		tab, id := NewTable(2), telemetry.NewSinkID()
		if seed < 4 {
			for i := range 1 << 14 { // the numbers of labels take three bytes then
				tab.pairs.hold(tab.pairs.intern("held", fmt.Sprint(i)))
			}
		}
		var fast, slow Block
		kind := KindWrite1 + uint8(seed%2)
		fast.Reset(kind, 0, 1)
		slow.Reset(kind, 0, 1)
		for range 20 {
			list := randomRun(r, tab, id)
			variant, limit := r.IntN(2), fast.Items()+r.IntN(40)
			n := fast.AddSamplesLocked(View{Table: tab, ID: id, Variant: variant}, list, limit)
			if slow.Items() > limit {
				t.Fatalf("seed %d: %d items; want at most %d", seed, slow.Items(), limit)
			}
			for _, s := range list[:n] {
				k, _ := id.Index(s.Handle)
				if l, ok := tab.LineLocked(k, variant); ok {
					slow.AddSample(l, s, 0)
				}
			}
			if n < len(list) && fast.Items() < limit {
				if _, ours := id.Index(list[n].Handle); ours {
					t.Fatalf("seed %d: stops after %d of %d for no reason", seed, n, len(list))
				}
			}
			if r.IntN(4) == 0 {
				fast.Pack()
			}
		}
		got, want := recordOf(t, &fast), recordOf(t, &slow)
		if string(unsnappy(t, got.Body)) != string(unsnappy(t, want.Body)) {
			t.Fatalf("seed %d: a run of kind %d differs from its samples one by one", seed, kind)
		}
		got.Body, want.Body = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: Record (-one by one +run):\n%s", seed, diff)
		}
	}
}

// randomRun resolves series, some of them dropped at a variant, and returns
// samples of them and of a strange one now and then.
func randomRun(r *rand.Rand, tab *Table, id telemetry.SinkID) (list []telemetry.Sample) {
	at := randomTime(r)
	for range r.IntN(30) {
		variants := []telemetry.Labels{randomLabels(r), randomLabels(r)}
		variants[r.IntN(2)] = labels.NewBuilder(randomLabels(r)).Set("n", fmt.Sprint(r.IntN(30_000))).Labels()
		if r.IntN(5) == 0 {
			variants[r.IntN(2)] = labels.EmptyLabels()
		}
		var md *telemetry.Metadata
		if r.IntN(3) > 0 {
			md = &telemetry.Metadata{Family: "f", Type: "counter", Help: randomString(r), Unit: randomString(r)}
		}
		n, _, ok := tab.Resolve(variants, md)
		if !ok {
			continue
		}
		if r.IntN(10) == 0 {
			at = randomTime(r)
		}
		h := id.Handle(n)
		if r.IntN(100) == 0 {
			h = (id + 1).Handle(n)
		}
		list = append(list, telemetry.Sample{Handle: h, T: at, V: randomValue(r)})
		if r.IntN(10) == 0 {
			tab.Release(n)
		}
	}
	return list
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
	tab := NewTable(1)
	var recs []Record
	var want []sinktest.Point
	for range 20 {
		var blk Block
		blk.Reset(KindWrite1, 0, 1)
		want = append(want, fill(r, tab, &blk, 1+r.IntN(300))...)
		recs = append(recs, recordOf(t, &blk))
		got := decode1(t, unsnappy(t, NewLoad(recs).Body))
		samePoints(t, got, want)
	}
}

// A 2.0 record as 1.0 says the same, but for start timestamps.
func TestDowngradeKeepsEverythingThatOneKnows(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var blk Block
		blk.Reset(KindWrite2, 0, 1)
		want := fill(r, NewTable(1), &blk, 100)
		for i := range want {
			want[i].ST = 0
		}
		l, err := NewLoad([]Record{recordOf(t, &blk)}).Downgraded()
		if err != nil {
			t.Fatal(err)
		}
		got := decode1(t, unsnappy(t, l.Body))
		samePoints(t, got, want)
		if l.Counts != blk.Counts {
			t.Errorf("Counts %+v; want %+v", l.Counts, blk.Counts)
		}
	}
}

// Halves of halves are all there is, in order.
func TestHalvesAreTheWhole(t *testing.T) {
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		r := rand.New(rand.NewPCG(2, 0))
		var blk Block
		blk.Reset(kind, 0, 1)
		want := fill(r, NewTable(1), &blk, 77)
		var got []sinktest.Point
		var walk func(l Load)
		walk = func(l Load) {
			a, b, ok, err := l.Halves()
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				if sum := a.Counts.Plus(b.Counts); sum != l.Counts {
					t.Errorf("halves hold %+v; want %+v", sum, l.Counts)
				}
				walk(a)
				walk(b)
				return
			}
			if l.Items() != 1 {
				t.Errorf("a leaf holds %d items", l.Items())
			}
			if kind == KindWrite1 {
				points := decode1(t, unsnappy(t, l.Body))
				got = append(got, points...)
			} else {
				got = append(got, decode2(t, unsnappy(t, l.Body))...)
			}
		}
		walk(NewLoad([]Record{recordOf(t, &blk)}))
		samePoints(t, got, want)
	}
}

func TestLabelsOfASeriesForTheLog(t *testing.T) {
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		tab := NewTable(1)
		var blk Block
		blk.Reset(kind, 0, 1)
		i, _, _ := tab.Resolve([]telemetry.Labels{labels.FromStrings("__name__", "up", "job", "a\"b")}, nil)
		blk.AddSample(Line{table: tab, pairs: tab.pairsLocked(i, 0)}, telemetry.Sample{}, 0)
		l, err := NewLoad([]Record{recordOf(t, &blk)}).decoded()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := l.LabelsOf(l.Series[0]), `{__name__="up",job="a\"b"}`; got != want {
			t.Errorf("labels %s; want %s", got, want)
		}
	}
}

// 2.0 wants each string once and the empty one first.
func TestSymbolsAreUnique(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	var blk Block
	blk.Reset(KindWrite2, 0, 1)
	fill(r, NewTable(1), &blk, 500)
	var req writev2.Request
	if err := req.Unmarshal(unsnappy(t, recordOf(t, &blk).Body)); err != nil {
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
	tab := NewTable(1)
	i, _, _ := tab.Resolve([]telemetry.Labels{labels.FromStrings("a", "b")}, nil)
	rec := func(times ...int64) Record {
		var blk Block
		blk.Reset(KindWrite1, 0, 1)
		for _, at := range times {
			blk.AddSample(Line{table: tab, pairs: tab.pairsLocked(i, 0)}, telemetry.Sample{T: at}, 0)
		}
		return recordOf(t, &blk)
	}
	f := func(recs []Record, cutoff int64, wantKept, wantOld int) {
		t.Helper()
		rest, old := NewLoad(recs).Younger(cutoff)
		if rest.Samples != wantKept || old.Samples != wantOld {
			t.Errorf("cutoff %d keeps %d, drops %d; want %d, %d", cutoff, rest.Samples, old.Samples, wantKept, wantOld)
		}
		if rest.Empty() != (wantKept == 0) {
			t.Errorf("cutoff %d: empty is %v", cutoff, rest.Empty())
		}
	}
	one := []Record{rec(10, 20, 30)}
	f(one, 5, 3, 0)
	f(one, 10, 3, 0)
	f(one, 11, 2, 1)
	f(one, 30, 1, 2)
	f(one, 31, 0, 3)
	two := []Record{rec(10, 20), rec(30, 40)}
	f(two, 25, 2, 2)
	f(two, 15, 4, 0) // records that go together are looked into only as wholes
	f(two, 99, 0, 4)
}

// Whatever is in a record, reading it neither panics nor hangs.
func FuzzRecord(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 0))
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		var blk Block
		blk.Reset(kind, 0, 1)
		fill(r, NewTable(1), &blk, 5)
		payload := blk.Compress(nil)
		f.Add(kind, payload)
	}
	f.Add(uint8(9), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		rec, err := OpenRecord(queue.Entry{Record: queue.Record{Kind: kind, Payload: payload, Items: 10}})
		if err != nil {
			return
		}
		if n, _ := snappy.DecodedLen(rec.Body); n > 1<<20 {
			return
		}
		l := NewLoad([]Record{rec, rec})
		_, _, _, _ = l.Halves()
		single := NewLoad([]Record{rec})
		single.Younger(1 << 40)
		if d, err := single.Downgraded(); err == nil && len(d.Series) > 0 {
			d.LabelsOf(d.Series[0])
		}
		if d, err := single.decoded(); err == nil {
			d.Halves()
		}
	})
}
