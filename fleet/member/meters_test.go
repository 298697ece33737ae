package member

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "rewrite testdata")

// Names, types and labels of all metrics are those that dashboards know.
func TestMetricsAreTheOnesThatAreKnown(t *testing.T) {
	inBubble(t, func(b *bubble) {
		registry := prometheus.NewRegistry()
		x := b.start("node-0", func(c *Config) { c.Registry = registry })
		b.start("node-1", nil)
		b.settles(15*time.Second, "two serve", 2, b.all()...)
		b.start("node-2", func(c *Config) { // a stranger, for the refusals
			c.Cluster = "other"
			c.Peers = func(context.Context) ([]string, error) { return []string{x.addr}, nil }
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, f := range families {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, l.GetName())
			}
			slices.Sort(labels)
			fmt.Fprintf(&got, "%s %s %s\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ","))
		}
		const file = "testdata/metrics.txt"
		if *update {
			if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if diff := cmp.Diff(string(want), got.String()); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}
