package remote

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry/live"
)

// Who watches sees samples with the labels that the receiver gets.
func TestWatchersSeeWhatIsWritten(t *testing.T) {
	var feed live.Feed
	var flow live.Flow
	watched := func(c *Config) {
		c.Live, c.Flow = &feed, &flow
		c.ExternalLabels = labels.FromStrings("cluster", "x")
	}
	bubble(t, watched, func(g *rig) {
		g.tick(1, 1, 7)
		w := feed.Watch(1)
		defer w.Close()
		g.tick(1, 2, 7)
		got, _ := w.Take()
		want := []string{`sample: ts=2, labels={__name__="m", cluster="x", job="test", n="7"}, value=2`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if flow.Count() != 2 {
			t.Errorf("counted %d samples", flow.Count())
		}
	})
}
