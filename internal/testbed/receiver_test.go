package testbed

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// entry is one sample to send, with labels as name, value, …
type entry struct {
	labels []string
	t      int64
	v      float64
}

// count is the entry by which target says how often it was scraped.
func count(target string, seq int, t int64) entry {
	return entry{[]string{"__name__", "testbed_scrapes_total", "target", target}, t, float64(seq)}
}

func encodeV1(entries []entry) []byte {
	req := &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{MetricFamilyName: "x"}}}
	for _, e := range entries {
		ts := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: e.t, Value: e.v}}}
		for i := 0; i < len(e.labels); i += 2 {
			ts.Labels = append(ts.Labels, prompb.Label{Name: e.labels[i], Value: e.labels[i+1]})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	body, _ := req.Marshal()
	return body
}

func encodeV2(entries []entry) []byte {
	symbols := writev2.NewSymbolTable()
	req := &writev2.Request{}
	for _, e := range entries {
		ts := writev2.TimeSeries{Samples: []writev2.Sample{{Timestamp: e.t, Value: e.v}}}
		for _, l := range e.labels {
			ts.LabelsRefs = append(ts.LabelsRefs, symbols.Symbolize(l))
		}
		ts.Metadata.Type = writev2.Metadata_METRIC_TYPE_COUNTER
		req.Timeseries = append(req.Timeseries, ts)
	}
	req.Symbols = symbols.Symbols()
	body, _ := req.Marshal()
	return body
}

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// post sends a request to b and returns its status, or 0 if there was no answer.
func post(t *testing.T, b *Bed, contentType string, msg []byte) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.WriteURL(), bytes.NewReader(s2.EncodeSnappy(nil, msg)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func open(t *testing.T, cfg Config) *Bed {
	t.Helper()
	bed, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		bed.Close()
	})
	return bed
}

func TestBothVersionsAreCountedAlike(t *testing.T) {
	entries := []entry{
		count("t0000", 1, 1000),
		{[]string{"__name__", "up", "instance", "a"}, 1000, 1},
		{[]string{"__name__", "m", "a", "b"}, 1000, math.Inf(1)},
		{[]string{"__name__", "m", "a", "b"}, 2000, math.Float64frombits(value.StaleNaN)},
	}
	f := func(contentType string, msg []byte, metadata int64) {
		t.Helper()
		bed := open(t, Config{Receiver: ReceiverConfig{Verify: true, Record: true}})
		if status := post(t, bed, contentType, msg); status/100 != 2 {
			t.Fatalf("status %d", status)
		}
		got := bed.Receiver.Report()
		got.WireBytes, got.LagP50, got.LagP99 = 0, 0, 0
		want := Report{
			Requests: 1, Bytes: int64(len(msg)), Samples: 2, ReportSamples: 1, Stale: 1, Metadata: metadata,
			Scrapes: 1, Late: 1, Series: 3,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		points := bed.Receiver.Series()[`{__name__="m",a="b"}`]
		if len(points) != 2 || points[0].V != math.Inf(1) || !points[1].Stale() {
			t.Errorf("recorded %v", points)
		}
	}
	f(typeV1, encodeV1(entries), 1)
	f(typeV2, encodeV2(entries), 4)
}

func TestArrivalsAreToldApart(t *testing.T) {
	f := func(seqs []int, scrapes, duplicates, outOfOrder int64) {
		t.Helper()
		r := NewReceiver(ReceiverConfig{})
		for _, seq := range seqs {
			h := http.Header{"Content-Encoding": {"snappy"}, "Content-Type": {typeV1}}
			msg := encodeV1([]entry{count("a", seq, int64(seq)*1000), count("b", 1, 1)})
			if _, _, err := r.take(h, s2.EncodeSnappy(nil, msg), Fault{}); err != nil {
				t.Fatal(err)
			}
		}
		got := r.Report()
		// Target b sends its first scrape again with every request.
		again := int64(len(seqs) - 1)
		if got.Scrapes != scrapes+1 || got.Duplicates != duplicates+again || got.OutOfOrder != outOfOrder {
			t.Errorf("%v: %d scrapes, %d duplicates, %d out of order", seqs, got.Scrapes-1, got.Duplicates-again, got.OutOfOrder)
		}
	}
	f([]int{1, 2, 3}, 3, 0, 0)
	f([]int{1, 3}, 2, 0, 0)
	f([]int{1, 3, 2}, 3, 0, 1)
	f([]int{1, 2, 1, 2, 3}, 3, 2, 0)
}

func TestFaults(t *testing.T) {
	bed := open(t, Config{})
	msg := encodeV1([]entry{count("t0000", 1, 1), {[]string{"__name__", "m", "defect", "1"}, 1, 1}})
	f := func(fault Fault, status int, taken int64) {
		t.Helper()
		bed.Receiver.SetFault(fault)
		before := bed.Receiver.Report().Requests
		if got := post(t, bed, typeV1, msg); got != status {
			t.Errorf("%+v: status %d; want %d", fault, got, status)
		}
		if got := bed.Receiver.Report().Requests - before; got != taken {
			t.Errorf("%+v: took %d requests; want %d", fault, got, taken)
		}
	}
	f(Fault{}, 204, 1)
	f(Fault{Status: 503, RetryAfter: time.Second}, 503, 0)
	f(Fault{Status: 500, Every: 2}, 204, 1)
	f(Fault{Status: 500, Taken: true}, 500, 1)
	f(Fault{Hang: true}, 0, 0)
	f(Fault{Reset: true}, 0, 0)
	f(Fault{RejectLabel: "defect"}, 400, 0)
	f(Fault{RejectLabel: "other"}, 204, 1)
	f(Fault{Latency: time.Millisecond}, 204, 1)
}

func TestOtherEncodingIsRefused(t *testing.T) {
	r := NewReceiver(ReceiverConfig{})
	_, status, err := r.take(http.Header{"Content-Encoding": {"zstd"}}, nil, Fault{})
	if status != http.StatusUnsupportedMediaType || !errors.Is(err, errEncoding) {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestCheckNamesWhatWasLost(t *testing.T) {
	bed := open(t, Config{Fleet: FleetConfig{Targets: 2, Series: 1}})
	for range 3 {
		get(t, bed.Fleet, 0)
		get(t, bed.Fleet, 1)
	}
	post(t, bed, typeV1, encodeV1([]entry{count("t0000", 1, 1), count("t0000", 3, 3), count("t0001", 2, 2)}))
	v := bed.Status(0).Verdict
	var lost []string
	for _, s := range v.Lost {
		lost = append(lost, s.Target+"/"+string('0'+rune(s.Seq)))
	}
	if got := strings.Join(lost, " "); v.Answered != 6 || v.Arrived != 3 || got != "t0000/2 t0001/1 t0001/3" && got != "t0001/1 t0000/2 t0001/3" {
		t.Errorf("answered %d, arrived %d, lost %s", v.Answered, v.Arrived, got)
	}
}

func TestControls(t *testing.T) {
	bed := open(t, Config{Fleet: FleetConfig{Targets: 2}})
	f := func(path, body string, status int) {
		t.Helper()
		resp, err := http.Post("http://"+bed.Addr()+path, "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: status %d; want %d", path, resp.StatusCode, status)
		}
	}
	f("/mode?kind=down&target=1", "", 200)
	f("/mode?kind=ok&delay=10ms", "", 200)
	f("/mode?target=2", "", 400)
	f("/mode?delay=long", "", 400)
	f("/fault", `{"Status": 503}`, 200)
	f("/fault", `{`, 400)
	f("/report?settle=1s", "", 200)
	f("/report?settle=x", "", 400)
	f("/t/2/metrics", "", 404)
	if m := bed.Fleet.targets[1].mode; m != (Mode{Kind: OK, Delay: 10 * time.Millisecond}) {
		t.Errorf("mode %v", m)
	}
}

// FuzzDecode feeds both decoders foreign bytes: an error is fine, a panic not.
func FuzzDecode(f *testing.F) {
	entries := []entry{count("t0000", 1, 1), {[]string{"__name__", "up"}, 1, 1}}
	f.Add(encodeV1(entries))
	f.Add(encodeV2(entries))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(_ *testing.T, msg []byte) {
		decodeV1(msg, func(*series) error { return nil })
		decodeV2(msg, func(*series) error { return nil })
	})
}
