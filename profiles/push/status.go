package push

import (
	"fmt"
	"maps"
	"time"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// Status is what there is to know about one endpoint, which counts profiles.
type Status struct {
	status.Endpoint           // but for its Component
	Oldest          time.Time // profile that is not delivered; zero: all are
	LastError       string    // of the last failed request
}

// Status returns the state of each endpoint, in the order of the Config.
func (w *Writer) Status() []Status {
	var list []Status
	now := time.Now()
	for _, e := range w.wanted.Load() {
		list = append(list, e.status(now))
	}
	return list
}

// History returns the last hour of an endpoint that Status names, the oldest
// point first. It begins when the log is open.
func (w *Writer) History(name string) []status.Point {
	for _, e := range w.wanted.Load() {
		if e.key == name {
			return e.past.Points()
		}
	}
	return nil
}

// Opened reports whether the logs of all endpoints are open: what is appended
// from now on survives a crash. Run opens them.
func (w *Writer) Opened() bool {
	for _, e := range w.wanted.Load() {
		select {
		case <-e.opened:
		default:
			return false
		}
	}
	return true
}

// Health returns the reason why the Writer does not do its work, or nil, and
// since when that is so; zero if it has no endpoints.
func (w *Writer) Health() (since time.Time, err error) {
	now := time.Now()
	for _, e := range w.wanted.Load() {
		why, at := e.health(now)
		if why != "" {
			return at, fmt.Errorf("endpoint %s: %s", e.key, why)
		}
		if at.After(since) {
			since = at
		}
	}
	return since, nil
}

// status returns the state of the endpoint.
func (e *endpoint) status(now time.Time) Status {
	log := e.stats()
	s := Status{Endpoint: status.Endpoint{
		Name: e.key, URL: e.settings.Load().redacted(), Unit: "profiles", Backlog: log.Items, Bytes: log.Bytes, Dropped: map[string]int64{},
	}}
	e.tally.mu.Lock()
	s.Sent, s.SentBytes, s.Retried = e.tally.sent.profiles, e.tally.sent.bytes, e.tally.retried
	for reason, l := range e.tally.dropped {
		s.Dropped[reason] = l.profiles
	}
	e.tally.mu.Unlock()
	s.Dropped["log_full"] = log.DroppedItems
	maps.DeleteFunc(s.Dropped, func(_ string, n int64) bool { return n == 0 })
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

// point returns the endpoint as it is now; its counts are totals.
func (e *endpoint) point(now time.Time) status.Point {
	s := e.status(now)
	p := status.Point{
		At: now.Round(0), Lag: s.Lag, Backlog: s.Backlog, Bytes: s.Bytes,
		Sent: s.Sent, SentBytes: s.SentBytes, Failed: s.Retried,
	}
	for _, n := range s.Dropped {
		p.Dropped += n
	}
	return p
}
