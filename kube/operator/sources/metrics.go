package sources

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
)

// Metrics are those of all discoverers of a component. They outlive a Pool: a
// discoverer that is replaced goes on counting.
type Metrics struct {
	registry prometheus.Registerer
	events   *prometheus.CounterVec // of objects of Kubernetes, by role and kind of event
	refresh  sd.RefreshMetricsManager

	mu   sync.Mutex // guards the field below
	kind map[string]sd.DiscovererMetrics
}

// NewMetrics registers the metrics that all discoverers have with reg, which
// may be nil.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := &Metrics{registry: reg, refresh: sd.NewRefreshMetrics(reg), kind: map[string]sd.DiscovererMetrics{}}
	if err := m.refresh.Register(); err != nil {
		return nil, fmt.Errorf("register refresh metrics: %w", err)
	}
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "prometheus_sd_kubernetes_events_total",
		Help: "The number of Kubernetes events handled.", // as the library has it, for both are in one registry
	}, []string{"role", "event"})
	if err := reg.Register(m.events); err != nil {
		return nil, fmt.Errorf("register discovery metrics: %w", err)
	}
	return m, nil
}

// of returns the metrics of the discoverers of a kind. Those of other API servers
// than the one of the component are not shown: their names are taken.
func (m *Metrics) of(c sd.Config) (sd.DiscovererMetrics, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.kind[c.Name()]; known != nil {
		return known, nil
	}
	reg := m.registry
	if _, ok := c.(*kubernetes.SDConfig); ok {
		reg = prometheus.NewRegistry()
	}
	out := c.NewDiscovererMetrics(reg, m.refresh)
	if err := out.Register(); err != nil {
		return nil, fmt.Errorf("register discovery metrics: %w", err)
	}
	m.kind[c.Name()] = out
	return out, nil
}
