package receive

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/divvy-collector/divvy/telemetry"
)

func newReceiver(t *testing.T, cfg Config, sink telemetry.Sink) *Receiver {
	t.Helper()
	cfg.Name = "prometheus.receive_http.test"
	cfg.Log = slog.New(slog.DiscardHandler)
	cfg.Registry = prometheus.NewRegistry()
	r, err := New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.state.Load().cache.retire() })
	return r
}

// post sends a body and returns the answer.
func post(r *Receiver, body []byte, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

const typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

func packV1(req prompb.WriteRequest) []byte {
	raw, err := req.Marshal()
	if err != nil {
		panic(fmt.Sprintf("BUG: marshal: %v", err))
	}
	return snappy.Encode(nil, raw)
}

func packV2(req writev2.Request) []byte {
	raw, err := req.Marshal()
	if err != nil {
		panic(fmt.Sprintf("BUG: marshal: %v", err))
	}
	return snappy.Encode(nil, raw)
}

// seriesV1 is a series of version 1.0 with alternating names and values.
func seriesV1(pairs []string, samples ...prompb.Sample) prompb.TimeSeries {
	ts := prompb.TimeSeries{Samples: samples}
	for i := 0; i < len(pairs); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return ts
}

var integerHistogram = &histogram.Histogram{
	Schema: 0, Count: 6, Sum: 12, ZeroThreshold: 0.001, ZeroCount: 1,
	PositiveSpans:   []histogram.Span{{Offset: 0, Length: 2}},
	PositiveBuckets: []int64{2, 1},
	NegativeSpans:   []histogram.Span{},
}

func TestVersion1ArrivesWhole(t *testing.T) {
	sink := newLedger(t)
	r := newReceiver(t, Config{}, sink)
	withHistogram := seriesV1([]string{"__name__", "h"})
	withHistogram.Histograms = []prompb.Histogram{
		prompb.FromIntHistogram(7, integerHistogram),
		prompb.FromFloatHistogram(8, integerHistogram.ToFloat(nil)),
	}
	withExemplar := seriesV1([]string{"__name__", "c_total"}, prompb.Sample{Value: 1, Timestamp: 9})
	withExemplar.Exemplars = []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "x"}}, Value: 0.5, Timestamp: 9}}
	w := post(r, packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		seriesV1([]string{"z", "1", "__name__", "up", "empty", ""}, prompb.Sample{Value: 1, Timestamp: 5}, prompb.Sample{Value: 0, Timestamp: 6}),
		withHistogram,
		withExemplar,
	}}), "Content-Encoding", "snappy", "Content-Type", "application/x-protobuf")
	if w.Code != http.StatusNoContent {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	want := []line{
		{Labels: `{__name__="c_total"}`, T: 9, V: 1},
		{Labels: `{__name__="up", z="1"}`, T: 5, V: 1},
		{Labels: `{__name__="up", z="1"}`, T: 6, V: 0},
	}
	if diff := cmp.Diff(want, sink.lines()); diff != "" {
		t.Error(diff)
	}
	checkRest(t, sink)
}

// checkRest compares the histograms and the exemplar of both versions' tests.
func checkRest(t *testing.T, sink *ledger) {
	t.Helper()
	var hs []telemetry.HistogramSample
	var es []telemetry.ExemplarSample
	for _, b := range sink.batches {
		hs = append(hs, b.Histograms...)
		es = append(es, b.Exemplars...)
	}
	if len(hs) != 2 || hs[0].T != 7 || !hs[0].H.Equals(integerHistogram) || hs[1].T != 8 || !hs[1].FH.Equals(integerHistogram.ToFloat(nil)) {
		t.Errorf("histograms %+v", hs)
	}
	if len(es) != 1 || es[0].Exemplar.Value != 0.5 || es[0].Exemplar.Labels.Get("trace_id") != "x" || es[0].Exemplar.Ts != 9 {
		t.Errorf("exemplars %+v", es)
	}
}

// requestV2 is a request of version 2.0 with one of everything.
func requestV2() writev2.Request {
	table := writev2.NewSymbolTable()
	refs := func(pairs ...string) (out []uint32) {
		for _, p := range pairs {
			out = append(out, table.Symbolize(p))
		}
		return out
	}
	h1 := writev2.FromIntHistogram(7, integerHistogram)
	h1.StartTimestamp = 3
	req := writev2.Request{Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: refs("__name__", "c_total", "z", "1"),
			Samples:    []writev2.Sample{{Value: 1, Timestamp: 5, StartTimestamp: 2}, {Value: 2, Timestamp: 6}},
			Exemplars:  []writev2.Exemplar{{LabelsRefs: refs("trace_id", "x"), Value: 0.5, Timestamp: 9}},
			Metadata: writev2.Metadata{
				Type:    writev2.Metadata_METRIC_TYPE_COUNTER,
				HelpRef: table.Symbolize("Some counter."), UnitRef: table.Symbolize("bytes"),
			},
		},
		{
			LabelsRefs: refs("__name__", "h"),
			Histograms: []writev2.Histogram{h1, writev2.FromFloatHistogram(8, integerHistogram.ToFloat(nil))},
		},
	}}
	req.Symbols = table.Symbols()
	return req
}

func TestVersion2ArrivesWhole(t *testing.T) {
	sink := newLedger(t)
	r := newReceiver(t, Config{Messages: []string{MessageV2}, Metadata: true, Typed: true}, sink)
	w := post(r, packV2(requestV2()), "Content-Type", typeV2)
	if w.Code != http.StatusNoContent {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	want := []line{
		{Labels: `{__name__="c_total", __type__="counter", __unit__="bytes", z="1"}`, T: 5, Start: 2, V: 1},
		{Labels: `{__name__="c_total", __type__="counter", __unit__="bytes", z="1"}`, T: 6, V: 2},
	}
	if diff := cmp.Diff(want, sink.lines()); diff != "" {
		t.Error(diff)
	}
	checkRest(t, sink)
	md := sink.mds[sink.indexOf("c_total")]
	if md == nil || *md != (telemetry.Metadata{Family: "c_total", Type: model.MetricTypeCounter, Unit: "bytes", Help: "Some counter."}) {
		t.Errorf("metadata %+v", md)
	}
	for name, want := range map[string]string{"Samples": "2", "Histograms": "2", "Exemplars": "1"} {
		if got := w.Header().Get("X-Prometheus-Remote-Write-" + name + "-Written"); got != want {
			t.Errorf("%s written: %s; want %s", name, got, want)
		}
	}
}

// Metadata of version 1.0 comes before, after or without its series.
func TestVersion1MetadataReachesItsSeries(t *testing.T) {
	sink := newLedger(t)
	r := newReceiver(t, Config{Metadata: true}, sink)
	series := packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		seriesV1([]string{"__name__", "lat_bucket", "le", "1"}, prompb.Sample{Value: 1, Timestamp: 5}),
	}})
	post(r, series)
	if sink.mds[0] != nil {
		t.Fatalf("metadata out of nowhere: %+v", sink.mds[0])
	}
	post(r, packV1(prompb.WriteRequest{Metadata: []prompb.MetricMetadata{
		{Type: prompb.MetricMetadata_HISTOGRAM, MetricFamilyName: "lat", Help: "Latency.", Unit: "s"},
	}}))
	post(r, series)
	if md := sink.mds[0]; md == nil || md.Family != "lat" || md.Type != model.MetricTypeHistogram {
		t.Errorf("metadata %+v", md)
	}
	before := sink.resolved
	post(r, series)
	if sink.resolved != before {
		t.Error("a known series was resolved again")
	}
}

func TestRefusals(t *testing.T) {
	good := packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1([]string{"__name__", "up"}, prompb.Sample{Value: 1, Timestamp: 1})}})
	f := func(status int, text string, body []byte, header ...string) {
		t.Helper()
		r := newReceiver(t, Config{MaxBodyBytes: 4096, MaxDecodedBytes: 8192}, newLedger(t))
		w := post(r, body, header...)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("status %d %q; want %d %q", w.Code, w.Body, status, text)
		}
	}
	f(204, "", good)
	f(415, "use snappy", good, "Content-Encoding", "gzip")
	f(415, "application/x-protobuf", good, "Content-Type", "text/plain")
	f(415, "application/x-protobuf", good, "Content-Type", ";;")
	f(415, "send one of [prometheus.WriteRequest]", good, "Content-Type", typeV2)
	f(400, "decompress", []byte("not snappy at all"))
	f(400, "decode", snappy.Encode(nil, []byte("not protobuf at all")))
	f(413, "more than 4096", make([]byte, 5000))
	f(413, "more than 8192", snappy.Encode(nil, make([]byte, 9000)))
	f(400, "too many elements", snappy.Encode(nil, bytes.Repeat([]byte{0x0a, 0x00}, 4000)))
	w := httptest.NewRecorder()
	newReceiver(t, Config{}, newLedger(t)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	if w.Code != 405 {
		t.Errorf("GET gives %d", w.Code)
	}
}

// What is well-formed is taken; the rest is named.
func TestFaultySeriesDoNotSpoilTheOthers(t *testing.T) {
	f := func(bad prompb.TimeSeries, want string) {
		t.Helper()
		sink := newLedger(t)
		r := newReceiver(t, Config{}, sink)
		good := seriesV1([]string{"__name__", "up"}, prompb.Sample{Value: 1, Timestamp: 1})
		w := post(r, packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{bad, good}}))
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), "1 series not taken whole") {
			t.Errorf("status %d %q; want 400 %q", w.Code, w.Body, want)
		}
		if got := sink.lines(); len(got) == 0 || sink.flushes != 1 {
			t.Errorf("the other series is not there: %v", got)
		}
	}
	f(seriesV1([]string{"job", "x"}), "no metric name")
	f(seriesV1([]string{"__name__", "a", "b", "1", "b", "2"}), "label b twice")
	f(seriesV1([]string{"__name__", "a", "", "1"}), `label name "" is not valid`)
	f(seriesV1([]string{"__name__", "a", "b", "\xff"}), "not valid UTF-8")
	f(seriesV1([]string{"__name__", "a", "b", strings.Repeat("x", maxLabelBytes+1)}), "more than 1048576 bytes")
	broken := seriesV1([]string{"__name__", "a"})
	broken.Histograms = []prompb.Histogram{{Count: &prompb.Histogram_CountInt{CountInt: 5}, PositiveSpans: []prompb.BucketSpan{{Length: 3}}}}
	f(broken, "histogram of")
	exemplar := seriesV1([]string{"__name__", "a"})
	exemplar.Exemplars = []prompb.Exemplar{{Labels: []prompb.Label{{Name: "b", Value: "\xff"}}}}
	f(exemplar, "exemplar of")
}

// In version 2.0 a reference may lead nowhere, and a short request may refer
// to a long symbol as often as it likes.
func TestVersion2References(t *testing.T) {
	f := func(change func(*writev2.Request), want string) {
		t.Helper()
		req := requestV2()
		change(&req)
		r := newReceiver(t, Config{Messages: []string{MessageV2}, MaxDecodedBytes: 4 << 20}, newLedger(t))
		w := post(r, packV2(req), "Content-Type", typeV2)
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("status %d %q; want 400 %q", w.Code, w.Body, want)
		}
	}
	f(func(req *writev2.Request) { req.Timeseries[0].LabelsRefs = []uint32{1} }, "without a value")
	f(func(req *writev2.Request) { req.Timeseries[0].LabelsRefs[1] = 4e9 }, "symbol 4000000000 of")
	f(func(req *writev2.Request) { req.Timeseries[0].Metadata.HelpRef = 999 }, "metadata of")
	f(func(req *writev2.Request) { req.Timeseries[0].Metadata.UnitRef = 999 }, "metadata of")
	f(func(req *writev2.Request) { req.Timeseries[0].Exemplars[0].LabelsRefs[0] = 999 }, "exemplar of")
	f(func(req *writev2.Request) {
		req.Symbols = append(req.Symbols, strings.Repeat("x", maxLabelBytes))
		long := uint32(len(req.Symbols) - 1)
		for range 100 {
			req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, long}})
		}
	}, "too many elements")
}

// A request is acknowledged when it is committed, and not before.
func TestAcknowledgedMeansCommitted(t *testing.T) {
	body := packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1([]string{"__name__", "up"}, prompb.Sample{Value: 1, Timestamp: 1})}})
	f := func(status int, set func(*ledger)) {
		t.Helper()
		sink := newLedger(t)
		set(sink)
		r := newReceiver(t, Config{}, sink)
		if w := post(r, body); w.Code != status {
			t.Errorf("status %d; want %d", w.Code, status)
		}
	}
	f(204, func(*ledger) {})
	f(503, func(l *ledger) { l.onFlush = func() error { return errors.New("disk full") } })
	f(503, func(l *ledger) { l.refuse = errors.New("queue full") })
	f(204, func(l *ledger) {
		l.onFlush = func() error {
			if len(l.batches) != 1 {
				return errors.New("flushed before it was appended")
			}
			return nil
		}
	})
}

// Rules that change between resolving and appending cost a second try.
func TestEpochChangeLosesNothing(t *testing.T) {
	sink := newLedger(t)
	turns := 0
	sink.drop = func(telemetry.Labels) bool {
		if turns++; turns <= 3 {
			sink.epoch = telemetry.NextEpoch()
		}
		return false
	}
	r := newReceiver(t, Config{}, sink)
	w := post(r, packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1([]string{"__name__", "up"}, prompb.Sample{Value: 1, Timestamp: 1})}}))
	if w.Code != 204 || len(sink.lines()) != 1 || sink.held() != 1 {
		t.Errorf("status %d, samples %v, holds %d", w.Code, sink.lines(), sink.held())
	}
	turns = -1000 // and now for ever
	sink.drop = func(telemetry.Labels) bool { sink.epoch = telemetry.NextEpoch(); return false }
	sink.turn()
	if w := post(r, packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1([]string{"__name__", "up"}, prompb.Sample{Value: 1, Timestamp: 2})}})); w.Code != 503 {
		t.Errorf("status %d; want 503", w.Code)
	}
}

func manySeries(n, t int) []byte {
	var req prompb.WriteRequest
	for i := range n {
		req.Timeseries = append(req.Timeseries, seriesV1([]string{"__name__", "m", "i", fmt.Sprint(i)}, prompb.Sample{Value: float64(t), Timestamp: int64(t)}))
	}
	return packV1(req)
}

func TestIdleSeriesAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newLedger(t)
		r := newReceiver(t, Config{}, sink)
		done := make(chan struct{})
		ctx := t.Context()
		go func() { r.Run(ctx); close(done) }()
		post(r, manySeries(100, 1))
		if sink.held() != 100 {
			t.Fatalf("%d holds; want 100", sink.held())
		}
		time.Sleep(9 * time.Minute)
		post(r, manySeries(10, 2)) // ten of them are still sent
		time.Sleep(3 * time.Minute)
		if sink.held() != 10 || sink.resolved != 100 {
			t.Errorf("%d holds after 12 minutes, resolved %d; want 10 and 100", sink.held(), sink.resolved)
		}
		t.Cleanup(func() {
			<-done
			if sink.held() != 0 {
				t.Errorf("%d holds after Run", sink.held())
			}
		})
	})
}

// Beyond the bound series are resolved for each request, and forgotten.
func TestMemoryForSeriesIsBounded(t *testing.T) {
	sink := newLedger(t)
	r := newReceiver(t, Config{MaxSeries: 20}, sink)
	for i := range 3 {
		if w := post(r, manySeries(100, i)); w.Code != 204 {
			t.Fatal(w.Code)
		}
	}
	if sink.held() != 20 || len(sink.lines()) != 300 {
		t.Errorf("%d holds, %d samples; want 20 and 300", sink.held(), len(sink.lines()))
	}
}

func TestDroppedSeriesAreNotResolvedAgain(t *testing.T) {
	sink := newLedger(t)
	sink.drop = func(telemetry.Labels) bool { return true }
	r := newReceiver(t, Config{}, sink)
	for i := range 3 {
		post(r, manySeries(10, i))
	}
	if sink.resolved != 10 || len(sink.lines()) != 0 {
		t.Errorf("resolved %d times, %d samples; want 10 and 0", sink.resolved, len(sink.lines()))
	}
}

// Whatever happens at once, each acknowledged sample is there once, in order,
// and every hold is given back.
func TestManySendersAtOnce(t *testing.T) {
	sinks := []*ledger{newLedger(t), newLedger(t)}
	r := newReceiver(t, Config{MaxSeries: 60}, sinks[0])
	const senders, requests, per = 8, 30, 20
	var wg, chaos sync.WaitGroup
	stop := make(chan struct{})
	chaos.Go(func() {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			switch rng.IntN(3) {
			case 0:
				sinks[rng.IntN(2)].turn()
			case 1:
				r.state.Load().cache.forget(time.Now().Add(time.Hour))
			case 2:
				if err := r.Update(r.state.Load().conf, sinks[i%2]); err != nil {
					t.Error(err)
				}
			}
			// Let requests through: without it every one may see five epochs.
			post(r, manySeries(1, -1))
		}
	})
	for sender := range senders {
		wg.Go(func() {
			for n := range requests {
				var req prompb.WriteRequest
				for i := range per {
					req.Timeseries = append(req.Timeseries, seriesV1([]string{"__name__", "m", "s", fmt.Sprint(sender), "i", fmt.Sprint(i)}, prompb.Sample{Value: 1, Timestamp: int64(n)}))
				}
				for post(r, packV1(req)).Code != http.StatusNoContent {
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	chaos.Wait()
	r.state.Load().cache.retire()
	seen := map[string]map[int64]bool{}
	for _, sink := range sinks {
		if n := sink.held(); n != 0 {
			t.Errorf("%d holds at the end", n)
		}
		last := map[string]int64{}
		for _, l := range sink.lines() {
			if l.T < 0 {
				continue
			}
			if seen[l.Labels] == nil {
				seen[l.Labels] = map[int64]bool{}
			}
			if l.T < last[l.Labels] {
				t.Errorf("%s: %d after %d", l.Labels, l.T, last[l.Labels])
			}
			last[l.Labels] = l.T
			seen[l.Labels][l.T] = true
		}
	}
	for name, at := range seen {
		if len(at) != requests {
			t.Errorf("%s has %d of %d samples", name, len(at), requests)
		}
	}
	if len(seen) != senders*per {
		t.Errorf("%d series of %d", len(seen), senders*per)
	}
}

func TestUnknownMessageIsRefused(t *testing.T) {
	err := Config{Messages: []string{"prometheus.Nonsense"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "use prometheus.WriteRequest or io.prometheus.write.v2.Request") {
		t.Error(err)
	}
}
