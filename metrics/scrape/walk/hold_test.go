package walk

import (
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/divvy-collector/divvy/telemetry"
)

// What is parked is a copy.
func TestParkedBatchesAreTheirOwn(t *testing.T) {
	b := &telemetry.Batch{
		Samples:    []telemetry.Sample{{Handle: 1, V: 1}},
		Histograms: []telemetry.HistogramSample{{Handle: 2, H: &histogram.Histogram{Count: 1}}, {Handle: 3, FH: &histogram.FloatHistogram{Count: 1}}},
	}
	var h Hold
	handles := []telemetry.Handle{1}
	h.park(nil, b)
	h.release(nil, handles)
	b.Samples[0].V, b.Histograms[0].H.Count, b.Histograms[1].FH.Count, handles[0] = 2, 2, 2, 2
	b.Reset()
	got := h.parked[0].batch
	if got.Samples[0].V != 1 || got.Histograms[0].H.Count != 1 || got.Histograms[1].FH.Count != 1 || h.parked[1].handles[0] != 1 {
		t.Errorf("%+v", got)
	}
}
