package relabel_test

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/internal/testbed"
	"github.com/divvy-collector/divvy/metrics/relabel"
	"github.com/divvy-collector/divvy/telemetry"
)

// constant is a sink that takes every series and keeps nothing.
type constant struct{ telemetry.Sink }

func (constant) Resolve(telemetry.Labels, *telemetry.Metadata) telemetry.Handle {
	return telemetry.SinkID(1).Handle(1)
}

// fieldRules are rules as configurations of the field have them.
func fieldRules() []*promrelabel.Config {
	list := []*promrelabel.Config{
		rule(promrelabel.Drop, "__name__", `app_http_requests_.*_total;404`, "", ""),
		rule(promrelabel.Drop, "device", `nvme[34]n1`, "", ""),
		rule(promrelabel.Drop, "__name__", `app_request_duration_.*_bucket;(0\.005|0\.025|0\.1|0\.5)`, "", ""),
		rule(promrelabel.Replace, "route", `/api/v1/([a-z]+)/.*`, "resource", "$1"),
		rule(promrelabel.Replace, "pod", `web-([0-9a-f]+)-(t[0-9]+)`, "replica", "$2"),
		rule(promrelabel.LabelDrop, "", `pool`, "", ""),
		rule(promrelabel.Replace, "", `(.*)`, "environment", "production"),
		rule(promrelabel.Replace, "__name__", `node_(.*)`, "__name__", "host_$1"),
		rule(promrelabel.LabelMap, "", `(method)`, "", "http_$1"),
		rule(promrelabel.Drop, "__name__", `canary_7_.*`, "", ""),
	}
	list[0].SourceLabels = append(list[0].SourceLabels, "code")
	list[2].SourceLabels = append(list[2].SourceLabels, "le")
	return list
}

// fleetSeries returns the series of some targets of the testbed.
func fleetSeries(tb testing.TB, targets int) (list []labels.Labels) {
	tb.Helper()
	fleet := testbed.NewFleet(testbed.FleetConfig{Targets: targets, Series: 999})
	for i := range targets {
		p := textparse.NewPromParser(fleet.Exposition(i, 1), labels.NewSymbolTable(), false)
		for {
			entry, err := p.Next()
			if err != nil {
				break
			}
			if entry == textparse.EntrySeries {
				var lset labels.Labels
				p.Labels(&lset)
				list = append(list, lset)
			}
		}
	}
	return list
}

// After a change of the rules every series is resolved again.
func BenchmarkResolve(b *testing.B) {
	series := fleetSeries(b, 20)
	r := relabel.New(relabel.Config{Next: constant{}, Rules: fieldRules()})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Resolve(series[i%len(series)], nil)
	}
}
