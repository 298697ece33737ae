package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
)

// ReceiverConfig says how closely a Receiver looks.
type ReceiverConfig struct {
	LateAfter time.Duration // a scrape that arrives later than that after its time is late; 0: 10 s
	Verify    bool          // book the last time of every series: order and number of series
	Record    bool          // keep every sample: see Receiver.Series
}

// A Receiver takes remote write 1.0 and 2.0, compressed with snappy, and counts
// it. Other encodings are answered 415, so that a client that tries zstd first
// falls back.
//
// It may be used by any number of goroutines.
type Receiver struct {
	mu     sync.Mutex
	cfg    ReceiverConfig
	fault  Fault
	lifted chan struct{} // closed when fault is replaced
	asked  int64         // requests that came while a fault was set
	book   ledger
}

// A Fault is what a Receiver does instead of taking a request. The zero value
// is no fault. Fields combine: first the latency, then the fate.
type Fault struct {
	Latency     time.Duration // before any answer
	Every       int           // strike only every n-th request; 0: every one
	Status      int           // answer this status
	RetryAfter  time.Duration // with the header Retry-After, in whole seconds
	Text        string        // of the answer
	Hang        bool          // give no answer until the fault is lifted or the client leaves
	Reset       bool          // reset the connection
	Taken       bool          // the request is taken all the same: only the answer is lost
	RejectLabel string        // answer 400 to a request with a series that has this label
}

// strikes reports whether f decides the fate of a request by itself.
func (f Fault) strikes() bool { return f.Status != 0 || f.Hang || f.Reset }

// NewReceiver returns a Receiver without a fault.
func NewReceiver(cfg ReceiverConfig) *Receiver {
	if cfg.LateAfter == 0 {
		cfg.LateAfter = 10 * time.Second
	}
	r := &Receiver{cfg: cfg, lifted: make(chan struct{})}
	r.book.init(cfg)
	return r
}

// SetFault replaces the fault. Requests that hang lose their connection.
func (r *Receiver) SetFault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.lifted)
	r.lifted = make(chan struct{})
	r.fault, r.asked = f, 0
}

// Report returns the counts so far.
func (r *Receiver) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.snapshot()
}

// Series returns all samples by the text of their labels, in the order in
// which they arrived. It needs ReceiverConfig.Record.
func (r *Receiver) Series() map[string][]Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string][]Point, len(r.book.recorded))
	for name, points := range r.book.recorded {
		all[name] = append([]Point(nil), points...)
	}
	return all
}

// current returns the fault that applies to the next request, and what is
// closed once it is lifted.
func (r *Receiver) current() (Fault, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.fault
	r.asked++
	if f.Every > 1 && r.asked%int64(f.Every) != 0 {
		f = Fault{Latency: f.Latency}
	}
	return f, r.lifted
}

// ServeHTTP takes one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	f, lifted := r.current()
	if !pause(req.Context(), f.Latency) {
		return
	}
	if f.strikes() && !f.Taken {
		r.refused()
		f.strike(w, req, lifted)
		return
	}
	counts, status, err := r.take(req.Header, body, f)
	switch {
	case err != nil:
		r.refused()
		http.Error(w, err.Error(), status)
	case f.strikes():
		f.strike(w, req, lifted)
	default:
		counts.writeTo(w.Header())
		w.WriteHeader(http.StatusNoContent)
	}
}

func (r *Receiver) refused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.book.Refused++
}

// strike gives the answer, or none, that f asks for.
func (f Fault) strike(w http.ResponseWriter, req *http.Request, lifted <-chan struct{}) {
	switch {
	case f.Hang:
		select {
		case <-lifted:
		case <-req.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		reset(w)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		http.Error(w, f.Text, f.Status)
	}
}

// reset closes the connection such that the client sees a reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// written is what a request held, for the headers of remote write 2.0.
type written struct{ samples, histograms, exemplars int }

func (c written) writeTo(h http.Header) {
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(c.samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(c.histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(c.exemplars))
}

var errEncoding = errors.New("only snappy is taken")

// take decodes and books a request. With an error nothing of it is booked, and
// the status says how to answer.
func (r *Receiver) take(h http.Header, body []byte, f Fault) (c written, status int, err error) {
	if enc := h.Get("Content-Encoding"); enc != "snappy" {
		return c, http.StatusUnsupportedMediaType, fmt.Errorf("encoding %q: %w", enc, errEncoding)
	}
	msg, err := s2.Decode(nil, body)
	if err != nil {
		return c, http.StatusBadRequest, fmt.Errorf("decompress the request: %w", err)
	}
	decode := decodeV1
	if strings.Contains(h.Get("Content-Type"), "io.prometheus.write.v2.Request") {
		decode = decodeV2
	}
	check := func(s *series) error { return f.reject(s) }
	if _, err := decode(msg, check); err != nil {
		return c, http.StatusBadRequest, err
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	metadata, _ := decode(msg, func(s *series) error {
		c.samples += len(s.points) - s.histograms
		c.histograms += s.histograms
		c.exemplars += s.exemplars
		r.book.enter(s, now)
		return nil
	})
	r.book.Requests++
	r.book.WireBytes += int64(len(body))
	r.book.Bytes += int64(len(msg))
	r.book.Metadata += int64(metadata)
	return c, 0, nil
}

// reject returns an error for a series that f does not take.
func (f Fault) reject(s *series) error {
	if f.RejectLabel == "" || s.label(f.RejectLabel) == nil {
		return nil
	}
	var text bytes.Buffer
	for _, l := range s.labels {
		fmt.Fprintf(&text, "%s=%q,", l[0], l[1])
	}
	if f.Text != "" {
		return fmt.Errorf("%s: {%s}", f.Text, text.Bytes())
	}
	return fmt.Errorf("refuse a series with the label %s: {%s}", f.RejectLabel, text.Bytes())
}
