package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// slow is how long an evaluation takes that is counted as slow.
const slow = time.Minute

// metrics are those of the pipeline about itself. Dashboards know their names.
type metrics struct {
	registry prometheus.Registerer
	all      []prometheus.Collector

	evaluating   prometheus.Gauge
	queue        prometheus.Gauge
	wait         prometheus.Histogram
	evaluation   prometheus.Histogram
	slowSeconds  *prometheus.CounterVec
	configHash   *prometheus.GaugeVec
	successful   prometheus.Gauge
	lastSuccess  prometheus.Gauge
	loadFailures prometheus.Counter
}

// newMetrics registers the metrics of p. A name that is taken already, as by a
// second pipeline with the same registry, is left to its first owner.
func newMetrics(p *Pipeline) *metrics {
	root := prometheus.Labels{"controller_path": "/", "controller_id": ""}
	gauge := func(name, help string, l prometheus.Labels) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: l})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, ConstLabels: root,
			Buckets: []float64{.005, .025, .1, .5, 1, 5, 10, 30, 60, 120, 300},
		})
	}
	m := &metrics{
		registry:   p.cfg.Env.Registry,
		evaluating: gauge("divvy_component_controller_evaluating", "Whether components are being evaluated.", root),
		queue:      gauge("divvy_component_evaluation_queue_size", "Nodes that wait to be evaluated.", root),
		wait: histogram("divvy_component_dependencies_wait_seconds",
			"Time from a change of exports to the evaluation of what refers to them."),
		evaluation: histogram("divvy_component_evaluation_seconds", "Time that the evaluation of a node took."),
		slowSeconds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "divvy_component_evaluation_slow_seconds",
			Help: "Time spent in evaluations that took over a minute.", ConstLabels: root,
		}, []string{"component_id"}),
		configHash: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "divvy_config_hash", Help: "Hash of the configuration that runs.",
		}, []string{"sha256", "cluster_name"}),
		successful:  gauge("divvy_config_last_load_successful", "Whether the last load succeeded.", nil),
		lastSuccess: gauge("divvy_config_last_load_success_timestamp_seconds", "Time of the last load that succeeded.", nil),
		loadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "divvy_config_load_failures_total", Help: "Loads that failed.",
		}),
	}
	m.register(healthCollector{p}, m.evaluating, m.queue, m.wait, m.evaluation, m.slowSeconds,
		m.configHash, m.successful, m.lastSuccess, m.loadFailures)
	return m
}

func (m *metrics) register(cs ...prometheus.Collector) {
	for _, c := range cs {
		if m.registry.Register(c) == nil {
			m.all = append(m.all, c)
		}
	}
}

// unregister removes the metrics again.
func (m *metrics) unregister() {
	for _, c := range m.all {
		m.registry.Unregister(c)
	}
}

// loaded records the result of a load.
func (m *metrics) loaded(err error) {
	if err != nil {
		m.successful.Set(0)
		m.loadFailures.Inc()
		return
	}
	m.successful.Set(1)
	m.lastSuccess.SetToCurrentTime()
}

// hash records which configuration runs.
func (m *metrics) hash(sources map[string][]byte, cluster string) {
	h := Hash(sources)
	m.configHash.Reset()
	m.configHash.WithLabelValues(hex.EncodeToString(h[:]), cluster).Set(1)
}

// Hash returns the SHA-256 of sources, one after the other by name. Nodes with
// equal hashes run the same configuration.
func Hash(sources map[string][]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range names(sources) {
		h.Write(sources[name])
	}
	h.Sum(sum[:0])
	return sum
}

// evaluated records one evaluation.
func (m *metrics) evaluated(id string, took time.Duration) {
	m.evaluation.Observe(took.Seconds())
	if took >= slow {
		m.slowSeconds.WithLabelValues(id).Add(took.Seconds())
	}
}

// healthCollector counts the components by health when it is asked.
type healthCollector struct{ p *Pipeline }

var runningComponents = prometheus.NewDesc("divvy_component_controller_running_components",
	"Components by their health.", []string{"controller_path", "controller_id", "health_type"}, nil)

// Describe is part of prometheus.Collector.
func (c healthCollector) Describe(ch chan<- *prometheus.Desc) { ch <- runningComponents }

// Collect is part of prometheus.Collector.
func (c healthCollector) Collect(ch chan<- prometheus.Metric) {
	type key struct{ module, health string }
	counts := map[key]int{}
	for _, s := range c.p.Components() {
		counts[key{s.ModuleID, s.Health.State.String()}]++
	}
	for _, h := range []component.HealthState{component.Unknown, component.Healthy, component.Unhealthy, component.Exited} {
		counts[key{"", h.String()}] += 0
	}
	for k, n := range counts {
		ch <- prometheus.MustNewConstMetric(runningComponents, prometheus.GaugeValue, float64(n), "/", k.module, k.health)
	}
}
