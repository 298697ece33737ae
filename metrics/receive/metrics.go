package receive

import "github.com/prometheus/client_golang/prometheus"

// metrics are those that dashboards know of every component that forwards.
type metrics struct {
	latency   prometheus.Histogram
	forwarded prometheus.Counter
}

// newMetrics returns metrics that are not registered yet.
func newMetrics() metrics {
	return metrics{
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "prometheus_fanout_latency",
			Help:    "Write latency for sending to direct and indirect components.",
			Buckets: prometheus.DefBuckets,
		}),
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "prometheus_forwarded_samples_total",
			Help: "Total number of samples sent to downstream components.",
		}),
	}
}

// register makes the metrics visible.
func (m metrics) register(reg prometheus.Registerer) error {
	if err := reg.Register(m.latency); err != nil {
		return err
	}
	return reg.Register(m.forwarded)
}
