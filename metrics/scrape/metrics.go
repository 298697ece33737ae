package scrape

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the pool's metrics about itself, under the names that
// dashboards know.
//
// All of them are counted once per scrape or less often, never per sample, so
// that looking a label up costs nothing that matters.
type metrics struct {
	// About the component, as its page in the manual has them.
	moved     prometheus.Counter
	latency   prometheus.Histogram // of Sink.Append, seconds
	forwarded prometheus.Counter   // samples and histograms that the sink took

	// Slots that were ours, as far as this node can know. One that is served
	// after a crash or a delay is late, and the former caught up as well.
	slotsServed    prometheus.Counter
	slotsLate      prometheus.Counter
	slotsMissed    prometheus.Counter
	slotsCaughtUp  prometheus.Counter
	slotsDiscarded prometheus.Counter // also missed
	holdsExpired   prometheus.Counter
	memoryDamaged  prometheus.Counter // entries that were wrong and were made anew

	// About the pool: its configuration and its list of targets.
	pools         prometheus.Counter
	reloads       prometheus.Counter
	reloadsFailed prometheus.Counter
	syncs         *prometheus.CounterVec
	syncFailed    *prometheus.CounterVec // targets that were left out
	syncLength    *prometheus.SummaryVec // seconds
	poolTargets   *prometheus.GaugeVec
	targetLimit   *prometheus.GaugeVec

	// Limits that were hit: one for each scrape that failed by it, but for the
	// limit on targets, which is counted when the list changes.
	targetLimitHit prometheus.Counter
	labelLimit     prometheus.Counter
	bodyLimit      prometheus.Counter
	sampleLimit    prometheus.Counter
	bucketLimit    prometheus.Counter

	// Samples that were refused while their scrape went on.
	duplicates    prometheus.Counter
	outOfOrder    prometheus.Counter
	outOfBounds   prometheus.Counter
	exemplarOrder prometheus.Counter

	// Times between scrapes and of scrapes, seconds. The label is the interval
	// that was asked for.
	interval      *prometheus.SummaryVec
	intervalHisto *prometheus.HistogramVec
	duration      prometheus.Histogram
}

// forgetJob removes what is labelled with a job that the pool has no more.
func (m *metrics) forgetJob(job string) {
	for _, v := range []interface{ DeleteLabelValues(...string) bool }{
		m.syncs, m.syncFailed, m.syncLength, m.poolTargets, m.targetLimit,
	} {
		v.DeleteLabelValues(job)
	}
}

// quantiles are those of the summaries that Prometheus has under these names.
func quantiles() map[float64]float64 {
	return map[float64]float64{0.01: 0.001, 0.05: 0.005, 0.5: 0.05, 0.90: 0.01, 0.99: 0.001}
}

// newMetrics returns metrics that are registered with r, if there is one. owned
// counts the targets that are ours, when asked, and shared the slots per second
// of all that several nodes share.
func newMetrics(r prometheus.Registerer, owned, shared func() float64) (*metrics, error) {
	c := &collector{registry: r}
	add(c, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prometheus_scrape_targets_gauge", Help: "Number of targets this component is configured to scrape.",
	}, owned))
	add(c, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "divvy_scrape_slots_shared_per_second",
		Help: "Slots per second of all targets that the nodes share, whoever serves them; 0 while this node shares nothing.",
	}, shared))
	m := &metrics{
		moved:         c.counter("prometheus_scrape_targets_moved_total", "Number of targets that have moved from this cluster node to another one."),
		latency:       c.histogram("prometheus_fanout_latency", "Write latency for sending to direct and indirect components.", prometheus.DefBuckets),
		forwarded:     c.counter("prometheus_forwarded_samples_total", "Total number of samples sent to downstream components."),
		pools:         c.counter("prometheus_target_scrape_pools_total", "Total number of scrape pool creation attempts."),
		reloads:       c.counter("prometheus_target_scrape_pool_reloads_total", "Total number of scrape pool reloads."),
		reloadsFailed: c.counter("prometheus_target_scrape_pool_reloads_failed_total", "Total number of failed scrape pool reloads."),
		syncs:         c.counters("prometheus_target_scrape_pool_sync_total", "Total number of syncs that were executed on a scrape pool.", "scrape_job"),
		syncFailed:    c.counters("prometheus_target_sync_failed_total", "Total number of target sync failures.", "scrape_job"),
		syncLength:    c.summaries("prometheus_target_sync_length_seconds", "Actual interval to sync the scrape pool.", "scrape_job"),
		poolTargets:   c.gauges("prometheus_target_scrape_pool_targets", "Current number of targets in this scrape pool.", "scrape_job"),
		targetLimit:   c.gauges("prometheus_target_scrape_pool_target_limit", "Maximum number of targets allowed in this scrape pool.", "scrape_job"),

		slotsServed:    c.counter("divvy_scrape_slots_served_total", "Slots whose scrape was delivered, successful or not."),
		slotsLate:      c.counter("divvy_scrape_slots_late_total", "Slots that were served later than a tick."),
		slotsMissed:    c.counter("divvy_scrape_slots_missed_total", "Slots that this node was to serve and did not, and those of a dead node that are too old to be caught up."),
		slotsCaughtUp:  c.counter("divvy_scrape_slots_caught_up_total", "Slots that were served in place of a node that had died by then."),
		holdsExpired:   c.counter("divvy_scrape_holds_expired_total", "Gained targets whose former owner did not say in time that it has delivered everything."),
		memoryDamaged:  c.counter("divvy_scrape_memory_damaged_total", "Lines of which what was remembered was found to be wrong, and was made anew: a collision of hashes, or a fault."),
		slotsDiscarded: c.counter("divvy_scrape_slots_discarded_total", "Scrapes that were thrown away because this process was stopped meanwhile."),

		targetLimitHit: c.counter("prometheus_target_scrape_pool_exceeded_target_limit_total", "Total number of times scrape pools hit the target limit, during sync or config reload."),
		labelLimit:     c.counter("prometheus_target_scrape_pool_exceeded_label_limits_total", "Total number of times scrape pools hit the label limits, during sync or config reload."),
		bodyLimit:      c.counter("prometheus_target_scrapes_exceeded_body_size_limit_total", "Total number of scrapes that hit the body size limit."),
		sampleLimit:    c.counter("prometheus_target_scrapes_exceeded_sample_limit_total", "Total number of scrapes that hit the sample limit and were rejected."),
		bucketLimit:    c.counter("prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total", "Total number of scrapes that hit the native histogram bucket limit and were rejected."),
		duplicates:     c.counter("prometheus_target_scrapes_sample_duplicate_timestamp_total", "Total number of samples rejected because the exposition gives their series twice."),
		outOfOrder:     c.counter("prometheus_target_scrapes_sample_out_of_order_total", "Total number of samples rejected because their timestamp is not later than the one before."),
		outOfBounds:    c.counter("prometheus_target_scrapes_sample_out_of_bounds_total", "Total number of samples rejected because their timestamp is too far in the future."),
		exemplarOrder:  c.counter("prometheus_target_scrapes_exemplar_out_of_order_total", "Total number of exemplars rejected due to not being out of the expected order."),

		interval:      c.summaries("prometheus_target_interval_length_seconds", "Actual intervals between scrapes.", "interval"),
		intervalHisto: c.histograms("prometheus_target_interval_length_histogram_seconds", "Actual intervals between scrapes.", "interval"),
		duration:      c.histogram("prometheus_target_scrape_duration_seconds", "Total duration of the scrape from start to commit completion in seconds.", prometheus.DefBuckets),
	}
	return m, c.err
}

// A collector makes metrics and registers them; err is the first failure, after
// which nothing is registered any more. It lives while newMetrics does.
type collector struct {
	registry prometheus.Registerer
	err      error
}

// add registers m.
func add[M prometheus.Collector](c *collector, m M) M {
	if c.registry != nil && c.err == nil {
		c.err = c.registry.Register(m)
	}
	return m
}

func (c *collector) counter(name, help string) prometheus.Counter {
	return add(c, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

func (c *collector) histogram(name, help string, buckets []float64) prometheus.Histogram {
	return add(c, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}))
}

func (c *collector) counters(name, help string, label ...string) *prometheus.CounterVec {
	return add(c, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, label))
}

func (c *collector) gauges(name, help string, label ...string) *prometheus.GaugeVec {
	return add(c, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, label))
}

func (c *collector) summaries(name, help string, label ...string) *prometheus.SummaryVec {
	return add(c, prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: name, Help: help, Objectives: quantiles()}, label))
}

func (c *collector) histograms(name, help string, label ...string) *prometheus.HistogramVec {
	opts := prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.01, .1, 1, 10}}
	return add(c, prometheus.NewHistogramVec(opts, label))
}
