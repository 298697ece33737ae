// Package profileserver is a server of profiles for tests. It takes what the
// push API of Pyroscope and POST /ingest are sent, read by the libraries of
// others, and remembers it.
package profileserver

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/prometheus/prometheus/model/labels"
)

// A Push is one profile that came.
type Push struct {
	Labels labels.Labels // of /ingest: none
	ID     string
	Raw    []byte
	At     time.Time
	Header http.Header
	URL    string // path and query
}

// A Server is an http.Handler. Any number of goroutines may use it.
type Server struct {
	push http.Handler

	mu      sync.Mutex
	answer  func(*http.Request) int
	pushes  []Push
	refused int
}

// New returns a server that takes everything.
func New() *Server {
	s := &Server{}
	s.push = connect.NewUnaryHandler("/push.v1.PusherService/Push", s.take)
	return s
}

// Answer makes the server ask f for the status of each answer; 200 takes the
// profile. Nil takes everything.
func (s *Server) Answer(f func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Pushes returns what was taken, in order.
func (s *Server) Pushes() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Push(nil), s.pushes...)
}

// Refused returns how many requests were not taken.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// ServeHTTP takes a request, or answers as it was told to.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if code := answer(req); code != http.StatusOK {
			_, _ = io.Copy(io.Discard, req.Body)
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			http.Error(w, "as the test has it", code)
			return
		}
	}
	if req.URL.Path == "/ingest" {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		s.add(Push{Raw: body, At: time.Now(), Header: req.Header, URL: req.URL.RequestURI()})
		return
	}
	s.push.ServeHTTP(w, req)
}

func (s *Server) take(_ context.Context, req *connect.Request[pushv1.PushRequest]) (*connect.Response[pushv1.PushResponse], error) {
	for _, series := range req.Msg.Series {
		b := labels.NewBuilder(labels.EmptyLabels())
		for _, l := range series.Labels {
			b.Set(l.Name, l.Value)
		}
		for _, sample := range series.Samples {
			s.add(Push{Labels: b.Labels(), ID: sample.ID, Raw: sample.RawProfile, At: time.Now(), Header: req.Header()})
		}
	}
	return connect.NewResponse(&pushv1.PushResponse{}), nil
}

func (s *Server) add(p Push) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = append(s.pushes, p)
}
