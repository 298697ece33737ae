package report

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
)

// meters are the metrics of what Run finds, as they are when they are collected.
type meters struct {
	found *cell.Cell[findings]

	targets, unowned, multiple, disagreeing *prometheus.Desc // by component
	drifting, silent                        *prometheus.Desc
}

func newMeters(found *cell.Cell[findings]) *meters {
	component := []string{"component_id"}
	return &meters{
		found: found,
		targets: prometheus.NewDesc("divvy_fleet_targets",
			"Targets of a component that any node of the fleet knows.", component, nil),
		unowned: prometheus.NewDesc("divvy_fleet_targets_unowned",
			"Targets of a component that no node scrapes, for longer than an interval.", component, nil),
		multiple: prometheus.NewDesc("divvy_fleet_targets_multiple",
			"Targets of a component that are scraped more than once, for longer than an interval.", component, nil),
		disagreeing: prometheus.NewDesc("divvy_fleet_nodes_disagreeing",
			"Nodes whose targets of a component differ from those of most, for longer than an interval.", component, nil),
		drifting: prometheus.NewDesc("divvy_fleet_config_drift_nodes",
			"Nodes whose configuration differs from that of most, for longer than a minute.", nil, nil),
		silent: prometheus.NewDesc("divvy_fleet_silent_nodes",
			"Nodes that did not answer this one when it asked last.", nil, nil),
	}
}

// Describe sends the descriptions.
func (m *meters) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.targets, m.unowned, m.multiple, m.disagreeing, m.drifting, m.silent} {
		ch <- d
	}
}

// Collect sends the latest findings.
func (m *meters) Collect(ch chan<- prometheus.Metric) {
	found := m.found.Load()
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for i := range found.coverage {
		c := &found.coverage[i]
		gauge(m.targets, c.Targets, c.Component)
		gauge(m.unowned, c.Unowned, c.Component)
		gauge(m.multiple, c.Multiple, c.Component)
		gauge(m.disagreeing, len(c.Disagree), c.Component)
	}
	drift := 0
	for i := range found.drift {
		drift += len(found.drift[i].Nodes)
	}
	gauge(m.drifting, drift)
	gauge(m.silent, found.silent)
}
