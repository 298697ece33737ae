package differential

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// host is the address of the target.
const host = "a:80"

// interval is that of the scrapes: each step of a script lasts so long.
const interval = 10 * time.Second

// An answer is what the target says at one step. The zero answer is an empty
// page without a content type.
type answer struct {
	body   string
	media  string
	status int  // 0: 200
	drop   bool // closes the connection
	stall  bool // does not answer before the timeout
}

const (
	mediaText  = "text/plain; version=0.0.4"
	mediaOM    = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	mediaProto = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// text is an answer in the text format.
func text(lines ...string) answer {
	return answer{media: mediaText, body: strings.Join(lines, "\n") + "\n"}
}

// om is an answer in OpenMetrics.
func om(lines ...string) answer {
	return answer{media: mediaOM, body: strings.Join(append(lines, "# EOF"), "\n") + "\n"}
}

// A server answers according to a script, one answer for each interval since
// it was made.
type server struct {
	start  time.Time
	step   time.Duration // how long each answer is given
	script []answer
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newServer(script []answer) *server {
	return &server{start: time.Now(), step: interval, script: script}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	step := int(time.Since(s.start) / s.step)
	a := s.script[min(step, len(s.script)-1)]
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	if a.stall {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", a.media)
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = io.Copy(out, bytes.NewReader([]byte(a.body)))
}

// dial connects to the server, whatever the address.
func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	client, conn := net.Pipe()
	l := &listener{conn: conn, closed: make(chan struct{})}
	srv := &http.Server{
		Handler:  s,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				l.Close()
			}
		},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, client, conn)
	s.wg.Go(func() { _ = srv.Serve(l) })
	return client, nil
}

// close ends every connection.
func (s *server) close() {
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// A listener accepts one connection.
type listener struct {
	conn      net.Conn
	once, end sync.Once
	closed    chan struct{}
}

func (l *listener) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *listener) Close() error   { l.end.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return l.conn.LocalAddr() }
