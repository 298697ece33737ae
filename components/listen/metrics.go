package listen

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of a component's own server.
type Metrics struct {
	routes   map[string]string // label route by path
	duration *prometheus.HistogramVec
	received *prometheus.HistogramVec
	sent     *prometheus.HistogramVec
	open     prometheus.Gauge
	limit    prometheus.Gauge
}

// bodyBuckets are bounds for sizes of bodies, in bytes.
var bodyBuckets = []float64{1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}

// NewMetrics returns registered metrics whose names begin with prefix. routes
// has the value of the label route for each path; other paths are one route.
func NewMetrics(reg prometheus.Registerer, prefix string, routes map[string]string) (*Metrics, error) {
	byRoute := []string{"method", "route"}
	m := &Metrics{
		routes: routes,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "_request_duration_seconds",
			Help: "Time (in seconds) spent serving HTTP requests.",
		}, []string{"method", "route", "status_code", "ws"}),
		received: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "_request_message_bytes",
			Help:    "Size (in bytes) of messages received in the request.",
			Buckets: bodyBuckets,
		}, byRoute),
		sent: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "_response_message_bytes",
			Help:    "Size (in bytes) of messages sent in response.",
			Buckets: bodyBuckets,
		}, byRoute),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        prefix + "_tcp_connections",
			Help:        "Current number of accepted TCP connections.",
			ConstLabels: prometheus.Labels{"protocol": "http"},
		}),
		limit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        prefix + "_tcp_connections_limit",
			Help:        "The maximum number of TCP connections that can be accepted (0 means no limit).",
			ConstLabels: prometheus.Labels{"protocol": "http"},
		}),
	}
	for _, c := range []prometheus.Collector{m.duration, m.received, m.sent, m.open, m.limit} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// connection counts the connections that are open.
func (m *Metrics) connection(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		m.open.Inc()
	case http.StateClosed, http.StateHijacked:
		m.open.Dec()
	}
}

// observe measures the requests that next answers.
func (m *Metrics) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		begin := time.Now()
		body := &countingBody{ReadCloser: req.Body}
		req.Body = body
		out := &countingWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(out, req)
		method, route := methodLabel(req.Method), m.routes[req.URL.Path]
		if route == "" {
			route = "other"
		}
		m.duration.WithLabelValues(method, route, strconv.Itoa(out.status), "false").Observe(time.Since(begin).Seconds())
		m.received.WithLabelValues(method, route).Observe(float64(body.bytes))
		m.sent.WithLabelValues(method, route).Observe(float64(out.bytes))
	})
}

// methodLabel keeps clients from making up label values.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return method
	}
	return "other"
}

// A countingBody counts what is read of a request.
type countingBody struct {
	io.ReadCloser
	bytes int
}

// Read counts.
func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += n
	return n, err
}

// A countingWriter counts what is written of an answer, and keeps its status.
type countingWriter struct {
	http.ResponseWriter
	status, bytes int
}

// Unwrap gives http.ResponseController what is below.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status.
func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += n
	return n, err
}
