package remote

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// Status is what there is to know about one endpoint.
type Status struct {
	status.Endpoint           // but for its Component
	Lanes           int       // that samples are written for
	Oldest          time.Time // sample that is not delivered; zero: all are
	LastError       string    // of the last failed request
}

// Status returns the state of each endpoint, in the order of the Config.
func (w *Writer) Status() []Status {
	var list []Status
	now := time.Now()
	for _, e := range w.state.Load().endpoints {
		list = append(list, e.status(now))
	}
	return list
}

// History returns the last hour of an endpoint that Status names, the oldest
// point first. It begins when the log is open.
func (w *Writer) History(name string) []status.Point {
	for _, e := range w.state.Load().endpoints {
		if e.key == name {
			return e.past.Points()
		}
	}
	return nil
}

// status returns the state of the endpoint.
func (e *endpoint) status(now time.Time) Status {
	log := e.stats()
	m := e.metrics
	s := Status{
		Endpoint: status.Endpoint{
			Name:      e.key,
			URL:       e.settings.Load().redacted(),
			Backlog:   log.Items,
			Bytes:     log.Bytes,
			Sent:      int64(valueOf(m.samplesSent) + valueOf(m.histogramsSent)),
			SentBytes: int64(valueOf(m.bytes)),
			Dropped:   m.lost(log.DroppedItems),
			Retried:   e.retried.Load(),
		},
		Lanes: e.laneCount(),
	}
	if log.OldestTime != 0 {
		s.Oldest = time.UnixMilli(log.OldestTime)
		s.Lag = max(0, now.Sub(s.Oldest))
	}
	if log.Degraded != nil {
		s.Err = log.Degraded.Error()
	}
	f := &e.failing
	f.mu.Lock()
	defer f.mu.Unlock()
	s.LastError = status.HidePasswords(f.last)
	if !f.trouble.IsZero() {
		s.FailingSince, s.Err, s.Refused = f.trouble, s.LastError, f.refused
	}
	if f.noDisk != "" {
		s.Err = f.noDisk
	}
	return s
}

// lost returns how many samples and histograms were given up since the start,
// by reason; log is how many the log has lost to its cap.
func (m *metrics) lost(log int64) map[string]int64 {
	lost := map[string]int64{"log_full": log}
	for _, vec := range []*prometheus.CounterVec{m.droppedSamples, m.droppedHistograms, m.refused} {
		for reason, n := range valuesOf(vec) {
			lost[reason] += n
		}
	}
	delete(lost, "send_native_histograms") // is what the configuration asks for
	maps.DeleteFunc(lost, func(_ string, n int64) bool { return n == 0 })
	return lost
}

// valuesOf returns what the counters of a vector with one label stand at.
func valuesOf(vec *prometheus.CounterVec) map[string]int64 {
	values := map[string]int64{}
	ch := make(chan prometheus.Metric)
	go func() { vec.Collect(ch); close(ch) }()
	for c := range ch {
		var m dto.Metric
		if c.Write(&m) == nil {
			values[m.GetLabel()[0].GetValue()] = int64(m.GetCounter().GetValue())
		}
	}
	return values
}

// remember adds a point to the endpoint's past.
func (e *endpoint) remember(now time.Time) {
	s := e.status(now)
	p := status.Point{
		At: now.Round(0), Lag: s.Lag, Backlog: s.Backlog, Bytes: s.Bytes,
		Sent: s.Sent, SentBytes: s.SentBytes, Failed: s.Retried + e.refused.Load(),
	}
	for _, n := range s.Dropped {
		p.Dropped += n
	}
	e.past.Add(p)
}
