package relabel

import "github.com/prometheus/client_golang/prometheus"

// metrics are those that dashboards know.
type metrics struct {
	all                         []prometheus.Collector
	processed, written, dropped prometheus.Counter
	hits, misses                prometheus.Counter
	latency                     prometheus.Histogram
}

// newMetrics returns metrics that are not registered yet. size is that of the
// cache.
func newMetrics(size func() float64) *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "pyroscope_relabel_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	m.processed = counter("profiles_processed", "Total number of profiles processed.")
	m.written = counter("profiles_written", "Total number of profiles forwarded.")
	m.dropped = counter("profiles_dropped", "Total number of profiles dropped by relabeling rules.")
	m.hits = counter("cache_hits", "Total number of cache hits.")
	m.misses = counter("cache_misses", "Total number of cache misses.")
	m.latency = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "pyroscope_fanout_latency",
		Help:    "Write latency for sending to direct and indirect components.",
		Buckets: prometheus.DefBuckets,
	})
	m.all = append(m.all, m.latency, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pyroscope_relabel_cache_size", Help: "Total size of relabel cache.",
	}, size))
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
