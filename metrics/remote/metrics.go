package remote

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/queue"
)

// metrics are those of one endpoint, under the names that Prometheus gives
// them where it has them. Counters move once per block or request, never once
// per sample.
type metrics struct {
	registry prometheus.Registerer // nil: none
	all      []prometheus.Collector

	samplesIn, exemplarsIn, histogramsIn                                 prometheus.Counter
	samplesSent, exemplarsSent, histogramsSent, metadataSent             prometheus.Counter
	samplesFailed, exemplarsFailed, histogramsFailed, metadataFailed     prometheus.Counter
	samplesRetried, exemplarsRetried, histogramsRetried, metadataRetried prometheus.Counter
	droppedSamples, droppedExemplars, droppedHistograms                  *prometheus.CounterVec
	skippedExemplars, skippedHistograms                                  prometheus.Counter
	bytes, metadataBytes, enqueueRetries                                 prometheus.Counter
	duration                                                             prometheus.Histogram
	highest, highestSent                                                 *highWater
	lanes, desired                                                       prometheus.Gauge
	committed                                                            prometheus.Counter
	refused                                                              *prometheus.CounterVec
	checked, damaged, torn                                               prometheus.Counter
}

const storage = "prometheus_remote_storage_"

// newMetrics returns the metrics of e, not registered yet. Their labels are the
// ones that Prometheus has: remote_name and url.
func newMetrics(e *endpoint, s *settings) *metrics {
	m := &metrics{}
	if e.cfg.Registry != nil {
		m.registry = prometheus.WrapRegistererWith(prometheus.Labels{
			"remote_name": s.key(), "url": s.redacted(),
		}, e.cfg.Registry)
	}
	m.addFlow()
	m.addState(e)
	m.addOwn(e)
	return m
}

// counter makes a counter that register registers; so do the next ones.
func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.all = append(m.all, c)
	return c
}

// counters makes a counter for each reason.
func (m *metrics) counters(name, help string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"reason"})
	m.all = append(m.all, c)
	return c
}

// gauge makes a gauge.
func (m *metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.all = append(m.all, g)
	return g
}

// watch makes a gauge that is read when it is scraped.
func (m *metrics) watch(name, help string, f func() float64) {
	m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// count makes a counter that is read when it is scraped.
func (m *metrics) count(name, help string, f func() float64) {
	m.all = append(m.all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// addFlow adds what counts samples on their way.
func (m *metrics) addFlow() {
	m.samplesIn = m.counter(storage+"samples_in_total", "Samples committed to the log of the endpoint.")
	m.exemplarsIn = m.counter(storage+"exemplars_in_total", "Exemplars committed to the log of the endpoint.")
	m.histogramsIn = m.counter(storage+"histograms_in_total", "Native histograms committed to the log of the endpoint.")
	m.samplesSent = m.counter(storage+"samples_total", "Samples that the receiver took.")
	m.exemplarsSent = m.counter(storage+"exemplars_total", "Exemplars that the receiver took.")
	m.histogramsSent = m.counter(storage+"histograms_total", "Native histograms that the receiver took.")
	m.metadataSent = m.counter(storage+"metadata_total", "Metadata entries that the receiver took.")
	m.samplesFailed = m.counter(storage+"samples_failed_total", "Samples that the receiver refused for good.")
	m.exemplarsFailed = m.counter(storage+"exemplars_failed_total", "Exemplars that the receiver refused for good.")
	m.histogramsFailed = m.counter(storage+"histograms_failed_total", "Native histograms that the receiver refused for good.")
	m.metadataFailed = m.counter(storage+"metadata_failed_total", "Metadata entries that the receiver refused for good.")
	m.samplesRetried = m.counter(storage+"samples_retried_total", "Samples in requests that failed and are sent again.")
	m.all = append(m.all, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: storage + "samples_retries_total", Help: "The same as prometheus_remote_storage_samples_retried_total.",
	}, func() float64 { return valueOf(m.samplesRetried) }))
	m.exemplarsRetried = m.counter(storage+"exemplars_retried_total", "Exemplars in requests that failed and are sent again.")
	m.histogramsRetried = m.counter(storage+"histograms_retried_total", "Native histograms in requests that failed and are sent again.")
	m.metadataRetried = m.counter(storage+"metadata_retried_total", "Metadata entries in requests that failed and are sent again.")
	m.droppedSamples = m.counters(storage+"samples_dropped_total", "Samples that were dropped before they were sent, by reason.")
	m.droppedExemplars = m.counters(storage+"exemplars_dropped_total", "Exemplars that were dropped before they were sent, by reason.")
	m.droppedHistograms = m.counters(storage+"histograms_dropped_total", "Native histograms that were dropped before they were sent, by reason.")
	m.skippedExemplars = m.droppedExemplars.WithLabelValues("send_exemplars")
	m.skippedHistograms = m.droppedHistograms.WithLabelValues("send_native_histograms")
	m.droppedSamples.WithLabelValues("too_old")
	m.droppedSamples.WithLabelValues("full")
	m.bytes = m.counter(storage+"bytes_total", "Bytes of samples that the receiver took, compressed.")
	m.metadataBytes = m.counter(storage+"metadata_bytes_total", "Bytes of metadata that the receiver took, compressed.")
	m.enqueueRetries = m.counter(storage+"enqueue_retries_total", "Always 0: the log takes what a full shard would not.")
}

// addState adds what shows the endpoint as it is.
func (m *metrics) addState(e *endpoint) {
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    storage + "sent_batch_duration_seconds",
		Help:    "How long requests took that the receiver took.",
		Buckets: append(prometheus.DefBuckets, 25, 60, 120, 300),
	})
	m.all = append(m.all, m.duration)
	m.highest = newHighWater(m.gauge(storage+"queue_highest_timestamp_seconds", "Highest timestamp committed to the log, Unix seconds."))
	m.highestSent = newHighWater(m.gauge(storage+"queue_highest_sent_timestamp_seconds", "Highest timestamp that the receiver took, Unix seconds."))
	m.lanes = m.gauge(storage+"shards", "Parallel senders at work.")
	m.desired = m.gauge(storage+"shards_desired", "Parallel senders that new samples are written for.")
	m.watch(storage+"samples_pending", "Samples and native histograms in the log that the receiver has not taken.",
		func() float64 { return float64(e.stats().Items) })
	m.watch(storage+"exemplars_pending", "Exemplars in the log that the receiver has not taken; unknown after a restart, then 0.",
		func() float64 { return m.pending(m.exemplarsIn, m.exemplarsSent, m.exemplarsFailed) })
	m.watch(storage+"histograms_pending", "Native histograms in the log that the receiver has not taken; unknown after a restart, then 0.",
		func() float64 { return m.pending(m.histogramsIn, m.histogramsSent, m.histogramsFailed) })
	m.watch(storage+"shard_capacity", "Samples that one sender reads ahead.",
		func() float64 { return float64(e.settings.Load().Queue.Capacity) })
	m.watch(storage+"shards_max", "Most parallel senders.", func() float64 { return float64(e.settings.Load().Queue.MaxLanes) })
	m.watch(storage+"shards_min", "Fewest parallel senders.", func() float64 { return float64(e.settings.Load().Queue.MinLanes) })
	m.watch(storage+"max_samples_per_send", "Most samples in one request.",
		func() float64 { return float64(e.settings.Load().Queue.MaxSamples) })
}

// addOwn adds what Prometheus has no name for.
func (m *metrics) addOwn(e *endpoint) {
	m.committed = m.counter("divvy_remote_committed_samples_total", "Samples that survive the process from then on.")
	m.refused = m.counters("divvy_remote_refused_samples_total", "Samples that were given up, by reason: http_<status> of the receiver's answer, or unreadable.")
	m.checked = m.counter("divvy_remote_checked_pieces_total", "Pieces of requests that were decoded again and compared with what they should say.")
	m.damaged = m.counter("divvy_remote_damaged_pieces_total", "Pieces of requests that said something else and were written anew before they were sent.")
	m.torn = m.counter("divvy_remote_torn_samples_total", "Samples that were left out because the labels of their series had changed in memory.")
	m.watch("divvy_remote_backlog_bytes", "Bytes in the log that the receiver has not taken.",
		func() float64 { return float64(e.stats().Bytes) })
	m.watch("divvy_remote_backlog_seconds", "Age of the oldest sample that the receiver has not taken.", func() float64 {
		if t := e.stats().OldestTime; t != 0 {
			return max(0, time.Since(time.UnixMilli(t)).Seconds())
		}
		return 0
	})
	m.watch("divvy_remote_log_disk_bytes", "Bytes of the log on disk.", func() float64 { return float64(e.stats().DiskBytes) })
	m.watch("divvy_remote_log_degraded", "1 while the disk refuses and samples are in memory only.", func() float64 {
		if e.stats().Degraded != nil {
			return 1
		}
		return 0
	})
	m.count("divvy_remote_log_dropped_samples_total", "Samples lost to the cap of the log.",
		func() float64 { return float64(e.stats().DroppedItems) })
	m.count("divvy_remote_log_damaged_records_total", "Records of the log that were found damaged.",
		func() float64 { return float64(e.stats().DamagedRecords) })
	m.count("divvy_remote_log_damaged_bytes_total", "Bytes of the log that were found damaged.",
		func() float64 { return float64(e.stats().DamagedBytes) })
}

// pending is what came in less what went out.
func (m *metrics) pending(in, sent, failed prometheus.Counter) float64 {
	return max(0, valueOf(in)-valueOf(sent)-valueOf(failed))
}

// stats returns those of the log; zeros before it is open.
func (e *endpoint) stats() queue.Stats {
	select {
	case <-e.opened:
		return e.queue.Stats()
	default:
		return queue.Stats{}
	}
}

// in counts what was committed.
func (m *metrics) in(c wire.Counts) {
	m.samplesIn.Add(float64(c.Samples))
	m.exemplarsIn.Add(float64(c.Exemplars))
	m.histogramsIn.Add(float64(c.Histograms))
}

// sent counts what the receiver took.
func (m *metrics) sent(l wire.Load, r reply) {
	m.samplesSent.Add(float64(l.Samples))
	m.exemplarsSent.Add(float64(l.Exemplars))
	m.histogramsSent.Add(float64(l.Histograms))
	m.metadataSent.Add(float64(l.Metadata))
	if l.Kind == wire.KindMetadata1 {
		m.metadataBytes.Add(float64(len(l.Body)))
		return
	}
	m.bytes.Add(float64(len(l.Body)))
	m.duration.Observe(r.took.Seconds())
	for _, rec := range l.Recs {
		m.highestSent.raise(rec.MaxTime)
	}
}

// retried counts what is to be sent once more.
func (m *metrics) retried(c wire.Counts) {
	m.samplesRetried.Add(float64(c.Samples))
	m.exemplarsRetried.Add(float64(c.Exemplars))
	m.histogramsRetried.Add(float64(c.Histograms))
	m.metadataRetried.Add(float64(c.Metadata))
}

// failed counts what is given up.
func (m *metrics) failed(c wire.Counts, reason string) {
	m.samplesFailed.Add(float64(c.Samples))
	m.exemplarsFailed.Add(float64(c.Exemplars))
	m.histogramsFailed.Add(float64(c.Histograms))
	m.metadataFailed.Add(float64(c.Metadata))
	m.refused.WithLabelValues(reason).Add(float64(c.Samples + c.Histograms))
}

// dropped counts what is not sent at all.
func (m *metrics) dropped(reason string, c wire.Counts) {
	if c == (wire.Counts{}) {
		return
	}
	m.droppedSamples.WithLabelValues(reason).Add(float64(c.Samples))
	m.droppedExemplars.WithLabelValues(reason).Add(float64(c.Exemplars))
	m.droppedHistograms.WithLabelValues(reason).Add(float64(c.Histograms))
}

// register adds the metrics to the registry, if there is one. Where another
// Writer has put its own of the same name there, those stay.
func (m *metrics) register() {
	for _, c := range m.all {
		if m.registry != nil {
			_ = m.registry.Register(c)
		}
	}
}

// unregister takes them out; once more does nothing.
func (m *metrics) unregister() {
	for _, c := range m.all {
		if m.registry != nil {
			m.registry.Unregister(c)
		}
	}
}
