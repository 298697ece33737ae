package receive

import (
	"runtime"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// FuzzDecode: any bytes are decoded or refused, within their memory, and what
// is decoded is fit for a sink.
func FuzzDecode(f *testing.F) {
	v1 := prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{seriesV1([]string{"__name__", "up", "job", "x"}, prompb.Sample{Value: 1, Timestamp: 5})},
		Metadata:   []prompb.MetricMetadata{{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "up"}},
	}
	v1.Timeseries[0].Histograms = []prompb.Histogram{prompb.FromIntHistogram(7, integerHistogram)}
	raw, _ := v1.Marshal()
	f.Add(raw)
	v2 := requestV2()
	raw, _ = v2.Marshal()
	f.Add(raw)
	f.Add([]byte{0x0a, 0x00, 0x0a, 0x00})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, body []byte) {
		const limit = 1 << 20
		first, err := decodeV1(body, limit)
		if err == nil {
			checkRequest(t, first)
		}
		second, err := decodeV2(body, limit, true)
		if err == nil {
			checkRequest(t, second)
		}
	})
}

func checkRequest(t *testing.T, r request) {
	t.Helper()
	for _, s := range r.series {
		if !s.labels.Has(model.MetricNameLabel) {
			t.Errorf("series %s has no name", s.labels)
		}
		if name, twice := s.labels.HasDuplicateLabelNames(); twice {
			t.Errorf("series %s has %s twice", s.labels, name)
		}
		previous := ""
		s.labels.Range(func(l labels.Label) {
			if l.Name <= previous && previous != "" || l.Value == "" {
				t.Errorf("series %s is not sorted or has empty values", s.labels)
			}
			previous = l.Name
		})
		for _, h := range s.histograms {
			if (h.H == nil) == (h.FH == nil) {
				t.Error("a histogram of no kind, or of both")
			}
		}
	}
	if (r.err() == nil) != (r.faulty == 0) {
		t.Error("faults without an error")
	}
}

// The smallest elements on the wire do not fill the memory.
func TestBombsAreRefusedCheaply(t *testing.T) {
	f := func(outer byte, inner ...byte) {
		t.Helper()
		var body []byte
		element := inner
		if len(inner) == 0 {
			element = []byte{outer, 0}
		}
		for len(body) < 1<<20 {
			body = append(body, element...)
		}
		if len(inner) > 0 {
			body = append([]byte{outer, 0x80, 0x80, 0x40}, body[:1<<20]...)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err1 := decodeV1(body, 8<<20)
		_, err2 := decodeV2(body, 8<<20, false)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%x %x takes %d MB (%v, %v)", outer, inner, took>>20, err1, err2)
		}
	}
	f(0x0a)          // version 1.0: series
	f(0x1a)          // metadata
	f(0x0a, 0x0a, 0) // labels of one series
	f(0x0a, 0x12, 0) // samples
	f(0x0a, 0x1a, 0) // exemplars
	f(0x0a, 0x22, 0) // histograms
	f(0x22)          // version 2.0: symbols
	f(0x2a)          // series
	f(0x2a, 0x12, 0) // samples
	f(0x2a, 0x1a, 0) // histograms
	f(0x2a, 0x22, 0) // exemplars
}
