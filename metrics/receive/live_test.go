package receive

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// Who watches sees each sample of the requests that are taken.
func TestWatchersSeeWhatIsReceived(t *testing.T) {
	var feed live.Feed
	var flow live.Flow
	r := newReceiver(t, Config{Live: &feed, Flow: &flow}, sinktest.NewRecorder())
	body := packV1(prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		seriesV1([]string{"__name__", "m", "a", "1"}, prompb.Sample{Timestamp: 5, Value: 1.5}, prompb.Sample{Timestamp: 6, Value: 2}),
	}})
	post(r, body)
	w := feed.Watch(1)
	defer w.Close()
	post(r, body)
	got, _ := w.Take()
	want := []string{
		`sample: ts=5, labels={__name__="m", a="1"}, value=1.5`,
		`sample: ts=6, labels={__name__="m", a="1"}, value=2`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if flow.Count() != 4 {
		t.Errorf("counted %d samples", flow.Count())
	}
}
