package receive

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/telemetry"
)

// A blackHole takes everything and keeps nothing.
type blackHole struct{ telemetry.Sink }

func (blackHole) Epoch() telemetry.Epoch                                         { return 1 }
func (blackHole) Resolve(telemetry.Labels, *telemetry.Metadata) telemetry.Handle { return 1 }
func (blackHole) Append(*telemetry.Batch) error                                  { return nil }
func (blackHole) Release([]telemetry.Handle)                                     {}

// One operation is one sample of a series that is known already, in requests
// of 2,000 series with eight labels, as senders make them.
func BenchmarkKnownSeries(b *testing.B) {
	const size = 2000
	var req prompb.WriteRequest
	for i := range size {
		pairs := []string{"__name__", "http_request_duration_seconds_bucket", "i", fmt.Sprint(i)}
		for n := range 6 {
			pairs = append(pairs, fmt.Sprintf("label_%d", n), "some-value-of-usual-length")
		}
		req.Timeseries = append(req.Timeseries, seriesV1(pairs, prompb.Sample{Value: 1, Timestamp: 1}))
	}
	raw, err := req.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	s := newState(Config{Name: "bench"}, blackHole{telemetry.Fanout(nil)})
	r := &Receiver{metrics: newMetrics()}
	b.ReportAllocs()
	for done := 0; done < b.N; done += size {
		in, err := decode(s.conf, MessageV1, raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.store(s, in.series); err != nil {
			b.Fatal(err)
		}
	}
}
