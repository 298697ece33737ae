package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of a Writer, under the names that dashboards know where
// there are such. They are read from the endpoints when they are scraped;
// endpoints of one URL are counted together, but in our own.
type metrics struct {
	writer  *Writer
	latency *prometheus.HistogramVec
}

func newMetrics(w *Writer) *metrics {
	return &metrics{writer: w, latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "pyroscope_write_latency",
		Help:    "Seconds that writing profiles takes: push_total until they are in the logs, push_endpoint until one is delivered, push_downstream one request.",
		Buckets: prometheus.DefBuckets,
	}, []string{"endpoint", "type"})}
}

// register adds them to a registry; nil is none.
func (m *metrics) register(registry prometheus.Registerer) {
	if registry == nil {
		return
	}
	for _, c := range []prometheus.Collector{m, m.latency} {
		// Where another instance has put its own there, those stay.
		_ = registry.Register(c)
	}
}

// latencies observes the requests of one endpoint, by kind of record.
type latencies struct{ whole, request map[uint8]prometheus.Observer }

// of returns the observers of the endpoint at url.
func (m *metrics) of(url string) latencies {
	return latencies{
		whole: map[uint8]prometheus.Observer{
			kindPush:   m.latency.WithLabelValues(url, "push_endpoint"),
			kindIngest: m.latency.WithLabelValues(url, "ingest_endpoint"),
		},
		request: map[uint8]prometheus.Observer{
			kindPush:   m.latency.WithLabelValues(url, "push_downstream"),
			kindIngest: m.latency.WithLabelValues(url, "ingest_downstream"),
		},
	}
}

// total observes an Append.
func (m *metrics) total(kind uint8, d time.Duration) {
	name := "push_total"
	if kind == kindIngest {
		name = "ingest_total"
	}
	m.latency.WithLabelValues("-", name).Observe(d.Seconds())
}

func (l latencies) endpoint(kind uint8, d time.Duration)   { l.whole[kind].Observe(d.Seconds()) }
func (l latencies) downstream(kind uint8, d time.Duration) { l.request[kind].Observe(d.Seconds()) }

// What Collect tells of each URL, and of each endpoint.
var (
	sentProfiles = describe("pyroscope_write_sent_profiles_total", "Profiles that the server took.", "endpoint")
	sentBytes    = describe("pyroscope_write_sent_bytes_total", "Bytes of profiles that the server took, as they were sent.", "endpoint")
	lostProfiles = describe("pyroscope_write_dropped_profiles_total", "Profiles that were given up.", "endpoint")
	lostBytes    = describe("pyroscope_write_dropped_bytes_total", "Bytes of profiles that were given up, those lost to the cap of the log aside.", "endpoint")
	retries      = describe("pyroscope_write_retries_total", "Requests that failed and were made again.", "endpoint")

	reasons        = describe("divvy_pyroscope_write_dropped_profiles_total", "Profiles that were given up, by reason: http_<status> of the server's answer, log_full, refused by the log, or unreadable.", "endpoint", "name", "reason")
	backlog        = describe("divvy_pyroscope_write_backlog_profiles", "Profiles in the log that the server has not taken.", "endpoint", "name")
	backlogBytes   = describe("divvy_pyroscope_write_backlog_bytes", "Bytes of them.", "endpoint", "name")
	backlogSeconds = describe("divvy_pyroscope_write_backlog_seconds", "Age of the oldest of them.", "endpoint", "name")
	diskBytes      = describe("divvy_pyroscope_write_log_disk_bytes", "Bytes of the log on disk.", "endpoint", "name")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe sends nothing but what there always is.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		sentProfiles, sentBytes, lostProfiles, lostBytes, retries,
		reasons, backlog, backlogBytes, backlogSeconds, diskBytes,
	} {
		ch <- d
	}
}

// Collect reads the endpoints.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	type sums struct {
		sent, lost lot
		retried    int64
	}
	byURL := map[string]sums{}
	for _, e := range m.writer.wanted.Load() {
		s := e.status(time.Now())
		t := byURL[s.URL]
		t.sent = t.sent.plus(s.Sent, s.SentBytes)
		t.retried += s.Retried
		for reason, n := range s.Dropped {
			t.lost = t.lost.plus(n, 0)
			ch <- prometheus.MustNewConstMetric(reasons, prometheus.CounterValue, float64(n), s.URL, s.Name, reason)
		}
		t.lost = t.lost.plus(0, e.tally.lostBytes())
		byURL[s.URL] = t
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.URL, s.Name)
		}
		gauge(backlog, float64(s.Backlog))
		gauge(backlogBytes, float64(s.Bytes))
		gauge(backlogSeconds, s.Lag.Seconds())
		gauge(diskBytes, float64(e.stats().DiskBytes))
	}
	for url, t := range byURL {
		counter := func(d *prometheus.Desc, n int64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), url)
		}
		counter(sentProfiles, t.sent.profiles)
		counter(sentBytes, t.sent.bytes)
		counter(lostProfiles, t.lost.profiles)
		counter(lostBytes, t.lost.bytes)
		counter(retries, t.retried)
	}
}

// lostBytes sums up the sizes of what was dropped.
func (t *tally) lostBytes() (sum int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.dropped {
		sum += l.bytes
	}
	return sum
}
