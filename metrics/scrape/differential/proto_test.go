package differential

import (
	"bytes"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/divvy-collector/divvy/metrics/scrape"
)

// protobuf is an answer in the protobuf format.
func protobuf(t *testing.T, families ...*dto.MetricFamily) answer {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := protodelim.MarshalTo(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return answer{media: mediaProto, body: b.String()}
}

func counter(name string, v float64) *dto.MetricFamily {
	return &dto.MetricFamily{
		Name: proto.String(name), Help: proto.String("a counter"), Type: dto.MetricType_COUNTER.Enum(),
		Metric: []*dto.Metric{{
			Label:   []*dto.LabelPair{{Name: proto.String("a"), Value: proto.String("b")}},
			Counter: &dto.Counter{Value: proto.Float64(v), Exemplar: example(v, 5)},
		}},
	}
}

// example is an exemplar at second seconds.
func example(v float64, seconds int64) *dto.Exemplar {
	return &dto.Exemplar{
		Label:     []*dto.LabelPair{{Name: proto.String("trace"), Value: proto.String("t")}},
		Value:     proto.Float64(v),
		Timestamp: &timestamppb.Timestamp{Seconds: seconds},
	}
}

// native is a histogram that has native buckets and, if classic, others too.
func native(name string, buckets int, schema int32, classic bool) *dto.MetricFamily {
	h := &dto.Histogram{
		SampleCount: proto.Uint64(uint64(buckets)), SampleSum: proto.Float64(4),
		Schema: proto.Int32(schema), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(0),
		PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(1), Length: proto.Uint32(uint32(buckets))}},
		Exemplars:    []*dto.Exemplar{example(1, 7), example(2, 6)},
	}
	for i := range buckets {
		delta := int64(0)
		if i == 0 {
			delta = 1
		}
		h.PositiveDelta = append(h.PositiveDelta, delta)
	}
	if classic {
		h.Bucket = []*dto.Bucket{{CumulativeCount: proto.Uint64(1), UpperBound: proto.Float64(1)}}
	}
	return &dto.MetricFamily{
		Name: proto.String(name), Type: dto.MetricType_HISTOGRAM.Enum(),
		Metric: []*dto.Metric{{Histogram: h}},
	}
}

func TestProtobufEqualsPrometheus(t *testing.T) {
	script := []answer{
		protobuf(t, counter("c_total", 1), native("h", 4, 3, true), native("n", 4, 3, false)),
		protobuf(t, counter("c_total", 2), native("h", 5, 3, true), native("n", 5, 8, false)),
		protobuf(t, counter("c_total", 2), native("n", 40, 8, false)),
		protobuf(t, native("n", 3, 3, false)),
		{media: mediaProto, body: "rubbish"},
		protobuf(t, native("n", 3, 3, false), counter("c_total", 4)),
	}
	proto := with("scrape_protocols: [PrometheusProto]", func(c *scrape.Config) { c.Protocols = []scrape.Protocol{scrape.PrometheusProto} })
	nat := with("scrape_native_histograms: true", func(c *scrape.Config) { c.NativeHistograms = true })
	classic := with("always_scrape_classic_histograms: true", func(c *scrape.Config) { c.ClassicHistograms = true })
	nhcb := with("convert_classic_histograms_to_nhcb: true", func(c *scrape.Config) { c.ConvertToNHCB = true })
	limit := with("native_histogram_bucket_limit: 10", func(c *scrape.Config) { c.Limits.Buckets = 10 })
	factor := with("native_histogram_min_bucket_factor: 1.2", func(c *scrape.Config) { c.Limits.BucketFactor = 1.2 })
	for _, settings := range [][]setting{
		{proto}, {proto, nat}, {proto, nat, classic}, {proto, nhcb}, {proto, nat, limit}, {proto, nat, factor, limit},
	} {
		compare(t, settings, script...)
	}
}
