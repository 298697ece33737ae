package operator

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of an Engine. Of objects only those that are wrong are named,
// by invalid.
type metrics struct {
	objects    *prometheus.GaugeVec // by state
	jobs       prometheus.Gauge
	targets    prometheus.Gauge
	duplicates prometheus.Gauge
	watches    prometheus.Gauge
	seconds    prometheus.Histogram
}

// States of objects, as a label.
const (
	stateValid   = "valid"
	stateInvalid = "invalid"
	statePending = "pending"
)

// newMetrics registers the metrics with reg, which may be nil. The objects are
// asked for when somebody looks at the metrics.
func newMetrics(reg prometheus.Registerer, objects func() []ObjectStatus) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "divvy_operator_objects",
			Help: "Custom resources, by whether they are in force: valid, invalid, or pending while what they refer to was not read yet.",
		}, []string{"state"}),
		jobs:       gauge("divvy_operator_jobs", "Scrape jobs that custom resources ask for."),
		targets:    gauge("divvy_operator_targets", "Targets of all jobs."),
		duplicates: gauge("divvy_operator_duplicate_targets", "Targets that were left out because another has the same URL and labels."),
		watches:    gauge("divvy_operator_watches", "Watches that are open, or tried, on the Kubernetes API server."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "divvy_operator_reconcile_seconds",
			Help:    "How long it took to bring the jobs up to date.",
			Buckets: []float64{0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30},
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.objects, m.jobs, m.targets, m.duplicates, m.watches, m.seconds, newInvalid(objects)} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of custom resources: %w", err)
		}
	}
	return m, nil
}
