package remote

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// writerMetrics are those of the Writer as a whole. Their names speak of a WAL
// because dashboards do; the log and the table of series have taken its place.
type writerMetrics struct {
	all                          []prometheus.Collector
	created, removed             prometheus.Counter
	appended, exemplars, updates prometheus.Counter
}

// newWriterMetrics returns the metrics of w, not registered yet.
func newWriterMetrics(w *Writer) *writerMetrics {
	m := &writerMetrics{}
	const wal = "prometheus_remote_write_wal_"
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: wal + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string, f func(*state) float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: wal + name, Help: help},
			func() float64 { return f(w.state.Load()) }))
	}
	m.created = counter("storage_created_series_total", "Series that were resolved for the first time.")
	m.removed = counter("storage_removed_series_total", "Series that were released.")
	m.appended = counter("samples_appended_total", "Samples and native histograms that were appended.")
	m.exemplars = counter("exemplars_appended_total", "Exemplars that were appended.")
	m.updates = counter("metadata_updates_total", "Always 0: metadata is kept with the series.")
	counter("out_of_order_samples_total", "Always 0: the receiver decides what is out of order.")
	gauge("storage_active_series", "Series that are held.", func(st *state) float64 { return float64(st.current.table.Size()) })
	gauge("storage_deleted_series", "Series that are held under rules that have changed since.", func(st *state) float64 {
		n := 0
		for _, g := range st.older {
			n += g.table.Size()
		}
		return float64(n)
	})
	return m
}

// register adds them to a registry; nil is none.
func (m *writerMetrics) register(registry prometheus.Registerer) {
	if registry == nil {
		return
	}
	for _, c := range m.all {
		_ = registry.Register(c)
	}
}

// A highWater is a gauge that only rises, in Unix milliseconds.
type highWater struct {
	mu    sync.Mutex
	top   int64
	gauge prometheus.Gauge // in seconds
}

// newHighWater returns a mark at zero that g shows.
func newHighWater(g prometheus.Gauge) *highWater { return &highWater{gauge: g} }

// raise lifts the mark to t, if that is higher.
func (h *highWater) raise(t int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t > h.top {
		h.top = t
		h.gauge.Set(float64(t) / 1000)
	}
}

// valueOf returns what a counter stands at.
func valueOf(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return m.GetCounter().GetValue()
}
