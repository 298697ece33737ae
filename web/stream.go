package web

import (
	"io"
	"net/http"
	"time"
)

// delimiter ends each item of a stream.
const delimiter = "|;|"

// A stream is an answer that goes on until the client has had enough, or the
// server ends.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error // of the first write that failed
}

// newStream begins an answer: its head is sent at once.
func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Accel-Buffering", "no") // proxies are to pass it on as it comes
	s := &stream{w: w, control: http.NewResponseController(w)}
	s.flush()
	return s
}

// item writes one item.
func (s *stream) item(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text+delimiter)
	}
}

// flush sends what was written.
func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

// every calls f at each interval, sending what it has written, until the client
// goes, the server ends or f returns false.
func (s *Server) every(interval time.Duration, w http.ResponseWriter, r *http.Request, f func(*stream) bool) {
	out := newStream(w)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for out.err == nil {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.ending:
			return
		}
		more := f(out)
		out.flush()
		if !more {
			return
		}
	}
}
