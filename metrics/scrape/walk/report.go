package walk

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// basicReports is how many of the report series every target has. The others
// are there with Config.ExtraMetrics.
const basicReports = 5

// reportSeries lists the series that say how a scrape went. They bear the
// target's labels and nothing else; no rule of the scrape touches them.
var reportSeries = [...]struct{ name, unit, help string }{
	{"up", "targets", "Health of the scrape target. 1 means the target is healthy, 0 if the scrape failed."},
	{"scrape_duration_seconds", "seconds", "Duration of the last scrape in seconds."},
	{"scrape_samples_scraped", "samples", "Number of samples last scraped."},
	{"scrape_samples_post_metric_relabeling", "samples", "Number of samples remaining after metric relabeling was applied."},
	{"scrape_series_added", "series", "Number of series in the last scrape."},
	{"scrape_timeout_seconds", "seconds", "The configured scrape timeout for a target."},
	{"scrape_sample_limit", "samples", "The configured sample limit for a target. Returns zero if there is no limit configured."},
	{"scrape_body_size_bytes", "bytes", "The uncompressed size of the last scrape response, if successful. " +
		"Scrapes failing because body_size_limit is exceeded report -1, other scrape failures report 0."},
}

// report appends the report series. bytes is the size of the body.
func (w *Walk) report(up bool, took time.Duration, bytes int) {
	w.resolveReports()
	health := 0.0
	if up {
		health = 1
	}
	values := [len(reportSeries)]float64{
		health, took.Seconds(), float64(w.Total), float64(w.Added), float64(w.SeriesAdded),
		w.target.Timeout.Seconds(), float64(w.rules.Limits.Samples), float64(bytes),
	}
	for i, h := range w.memory.reports {
		if h != telemetry.Dropped {
			w.batch.Samples = append(w.batch.Samples, telemetry.Sample{Handle: h, T: w.now, V: values[i]})
		}
	}
	for _, r := range w.memory.oldReports {
		if w.memory.lastT != 0 && w.reportEnded(r) {
			w.stale(r.handle, w.now)
		}
	}
}

// reportEnded reports whether a report series of former rules goes on under no
// handle. As with other series, a handle of an earlier epoch of the sink may
// stand for the series that has another one now.
func (w *Walk) reportEnded(r oldReport) bool {
	reports := w.memory.reports
	if r.handle == telemetry.Dropped || slices.Contains(reports, r.handle) {
		return false
	}
	goesOn := r.index < len(reports) && reports[r.index] != telemetry.Dropped
	return !goesOn || r.epoch == w.epoch
}

// resolveReports gets handles for the report series if those at hand are of
// other rules.
func (w *Walk) resolveReports() {
	m := w.memory
	if m.reports != nil && m.reportEpoch == w.epoch && m.reportGeneration == w.visit.Generation {
		return
	}
	for i, h := range m.reports {
		m.oldReports = append(m.oldReports, oldReport{handle: h, index: i, epoch: m.reportEpoch})
	}
	m.reports = make([]telemetry.Handle, 0, len(reportSeries))
	for i, r := range reportSeries {
		if i >= basicReports && !w.rules.ExtraMetrics {
			break
		}
		lb := labels.NewBuilder(w.target.Labels)
		lb.Set(model.MetricNameLabel, r.name)
		m.reports = append(m.reports, w.sink.Resolve(lb.Labels(), w.reportMetadata(i)))
	}
	m.reportEpoch, m.reportGeneration = w.epoch, w.visit.Generation
}

// reportMetadata describes report series i, if metadata is wanted at all.
func (w *Walk) reportMetadata(i int) *telemetry.Metadata {
	if !w.rules.HonorMetadata {
		return nil
	}
	r := &reportSeries[i]
	return &telemetry.Metadata{Family: r.name, Type: model.MetricTypeGauge, Unit: r.unit, Help: r.help}
}

// staleAll appends the end of every series, as e says.
func (w *Walk) staleAll(e Ending) {
	end := func(h telemetry.Handle) {
		kept := e.GoesOn[h] || !e.Reports && slices.Contains(w.memory.reports, h)
		if h != telemetry.Dropped && !kept {
			w.stale(h, e.At)
		}
	}
	w.memory.live(end)
	for _, h := range w.memory.reports {
		end(h)
	}
}
