package relabel

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those that dashboards know. What they call a cache is the table
// of resolved series: a sample of a series that is resolved is a hit, a Resolve
// is a miss.
type metrics struct {
	all                   []prometheus.Collector
	processed, written    prometheus.Counter
	hits, misses, deletes prometheus.Counter
	forwarded             prometheus.Counter
	latency               prometheus.Histogram
}

// newMetrics returns the metrics of r, not registered yet.
func newMetrics(r *Rules) *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	m.processed = counter("prometheus_relabel_metrics_processed", "Samples that came, and series that the rules dropped, once for each.")
	m.written = counter("prometheus_relabel_metrics_written", "Samples that were passed on.")
	m.hits = counter("prometheus_relabel_cache_hits", "Samples of series whose labels were known.")
	m.misses = counter("prometheus_relabel_cache_misses", "Series that the rules were applied to.")
	m.deletes = counter("prometheus_relabel_cache_deletes", "Series that were given up by their source.")
	counter("prometheus_relabel_cache_ttl_evictions", "Always 0: series are given up by their source, not by age.")
	m.forwarded = counter("prometheus_forwarded_samples_total", "Total number of samples sent to downstream components.")
	m.latency = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "prometheus_fanout_latency",
		Help:    "Write latency for sending to direct and indirect components.",
		Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
	})
	m.all = append(m.all, m.latency, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prometheus_relabel_cache_size", Help: "Series whose labels are known.",
	}, func() float64 { return float64(r.size()) }))
	return m
}

// register adds them to a registry; nil is none.
func (m *metrics) register(registry prometheus.Registerer) {
	if registry == nil {
		return
	}
	for _, c := range m.all {
		// Where another instance has put its own there, those stay.
		_ = registry.Register(c)
	}
}

// appended counts a batch of n samples that the next sink took.
func (m *metrics) appended(n int, took time.Duration) {
	m.processed.Add(float64(n))
	m.written.Add(float64(n))
	m.hits.Add(float64(n))
	m.forwarded.Add(float64(n))
	m.latency.Observe(took.Seconds())
}
