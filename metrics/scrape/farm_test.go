package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A recorder is a sink that writes everything down. It drops series whose
// label drop is not empty, and checks that holds and handles are used well.
type recorder struct {
	id telemetry.SinkID

	mu      sync.Mutex
	epoch   telemetry.Epoch
	byText  map[string]int
	series  []string // by index
	holds   []int
	md      map[string]*telemetry.Metadata
	batches []record
	refuse  error // returned by Append
	flips   int   // how many times Append finds that the rules have just changed
	faults  []string
	lag     time.Duration // between an Append and the arrival at the receiver
}

// stamp returns the timestamp of a line of a record.
func stamp(line string) int64 {
	_, text, _ := strings.Cut(line, "@")
	ms, _ := strconv.ParseInt(text, 10, 64)
	return ms
}

// Delivered returns once what was appended has arrived.
func (r *recorder) Delivered(ctx context.Context) error {
	r.mu.Lock()
	wait := time.Duration(0)
	if n := len(r.batches); n > 0 {
		wait = time.Until(r.batches[n-1].at.Add(r.lag))
	}
	r.mu.Unlock()
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A record is one batch as text: one line per sample, in the order in which
// they came, and when they came.
type record struct {
	at    time.Time
	lines []string
	batch telemetry.Batch
}

func newRecorder() *recorder {
	return &recorder{
		id: telemetry.NewSinkID(), epoch: telemetry.NextEpoch(),
		byText: map[string]int{}, series: []string{""}, holds: []int{0},
		md: map[string]*telemetry.Metadata{},
	}
}

func (r *recorder) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	if lset.Get("drop") != "" {
		return telemetry.Dropped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := lset.String()
	i, ok := r.byText[text]
	if !ok {
		i = len(r.series)
		r.byText[text] = i
		r.series, r.holds = append(r.series, text), append(r.holds, 0)
	}
	r.holds[i]++
	r.md[text] = md
	return r.id.Handle(i)
}

func (r *recorder) Epoch() telemetry.Epoch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// change makes everything that was resolved out of date: equal labels get
// other handles from now on.
func (r *recorder) change() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked()
}

func (r *recorder) changeLocked() {
	r.epoch, r.byText = telemetry.NextEpoch(), map[string]int{}
}

// tell sets what Append does from now on.
func (r *recorder) tell(refuse error, flips int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse, r.flips = refuse, flips
}

func (r *recorder) Append(b *telemetry.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	if r.flips > 0 {
		r.flips--
		r.changeLocked()
	}
	if b.Epoch != r.epoch {
		return telemetry.ErrEpoch
	}
	rec := record{at: time.Now()}
	for _, s := range b.Samples {
		rec.lines = append(rec.lines, fmt.Sprintf("%s %s @%d", r.nameLocked(s.Handle), number(s.V), s.T))
	}
	for _, h := range b.Histograms {
		count := any(nil)
		if h.H != nil {
			count = h.H.Count
		} else {
			count = h.FH.Count
		}
		rec.lines = append(rec.lines, fmt.Sprintf("%s histogram %v @%d", r.nameLocked(h.Handle), count, h.T))
	}
	for _, e := range b.Exemplars {
		rec.lines = append(rec.lines, fmt.Sprintf("%s exemplar %s %v @%d", r.nameLocked(e.Handle), e.Exemplar.Labels, e.Exemplar.Value, e.Exemplar.Ts))
	}
	rec.batch = telemetry.Batch{Starts: slices.Clone(b.Starts)}
	r.batches = append(r.batches, rec)
	return nil
}

func (r *recorder) nameLocked(h telemetry.Handle) string {
	i, ok := r.id.Index(h)
	if !ok || i >= len(r.series) || r.holds[i] <= 0 {
		r.faults = append(r.faults, fmt.Sprintf("appended to a handle that nobody holds: %x", h))
		return "?"
	}
	return r.series[i]
}

func (r *recorder) Flush(context.Context) error { return nil }

func (r *recorder) Release(handles []telemetry.Handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range handles {
		if h == telemetry.Dropped {
			continue
		}
		if i, ok := r.id.Index(h); !ok || r.holds[i] == 0 {
			r.faults = append(r.faults, fmt.Sprintf("released a handle that nobody holds: %x", h))
		} else {
			r.holds[i]--
		}
	}
}

// held lists the series that are held, with the number of holds.
func (r *recorder) held() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	for i, n := range r.holds {
		if n > 0 {
			out[r.series[i]] = n
		}
	}
	return out
}

// take returns the batches so far and forgets them.
func (r *recorder) take() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.batches
	r.batches = nil
	return out
}

// lines returns the lines of the batches so far without their labels job and
// instance, without the report series, and without timestamps equal to that
// of the batch; one text per batch.
func (r *recorder) lines() []string {
	var out []string
	for _, b := range r.take() {
		var keep []string
		up := b.reportTime()
		for _, l := range b.lines {
			if isReport(l) {
				continue
			}
			l = strings.NewReplacer(`, instance="a:80"`, "", `, job="j"`, "", `instance="a:80", `, "", "__name__=", "").Replace(l)
			keep = append(keep, strings.TrimSuffix(l, up))
		}
		slices.Sort(keep)
		out = append(out, strings.Join(keep, "\n"))
	}
	return out
}

// reportTime is the timestamp of up, as it ends a line.
func (r *record) reportTime() string {
	for _, l := range r.lines {
		if strings.HasPrefix(l, `{__name__="up"`) {
			return l[strings.LastIndex(l, " @"):]
		}
	}
	return ""
}

// report returns the value of a report series.
func (r *record) report(name string) string {
	for _, l := range r.lines {
		if strings.HasPrefix(l, `{__name__="`+name+`"`) {
			f := strings.Fields(l)
			return f[len(f)-2]
		}
	}
	return "none"
}

func isReport(line string) bool {
	return strings.HasPrefix(line, `{__name__="up"`) || strings.HasPrefix(line, `{__name__="scrape_`)
}

// number formats a value, so that a staleness marker shows.
func number(v float64) string {
	if value.IsStaleNaN(v) {
		return "stale"
	}
	if math.IsNaN(v) && math.Float64bits(v) != value.NormalNaN {
		return "odd NaN"
	}
	return fmt.Sprint(v)
}

// basicReports is how many report series every target has.
const basicReports = 5

// A farm is a set of HTTP servers in memory, one per host name.
type farm struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
	wg    sync.WaitGroup
	conns []net.Conn
}

func newFarm(t *testing.T) *farm {
	f := &farm{hosts: map[string]http.Handler{}}
	t.Cleanup(f.close)
	return f
}

// close ends every connection.
func (f *farm) close() {
	f.mu.Lock()
	for _, c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// serve makes host answer with h.
func (f *farm) serve(host string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[host] = h
}

// text makes host answer with body in the text format.
func (f *farm) text(host, body string) {
	f.serve(host, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(body))
	})
}

// dial connects to a host of the farm.
func (f *farm) dial(_ context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hosts[addr] == nil {
		return nil, fmt.Errorf("connect to %s: connection refused", addr)
	}
	client, server := net.Pipe()
	f.conns = append(f.conns, client, server)
	l := &oneConn{conn: server}
	l.closed = make(chan struct{})
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			h := f.hosts[addr]
			f.mu.Unlock()
			if h == nil {
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		}),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				l.Close()
			}
		},
	}
	f.wg.Go(func() { _ = srv.Serve(l) })
	return client, nil
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	once, end sync.Once
	conn      net.Conn
	closed    chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	var c net.Conn
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { l.end.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// plain is a configuration with Prometheus' defaults and an interval of 10 s.
func plain() Config {
	return Config{
		JobName: "j", Interval: 10 * time.Second, Timeout: 5 * time.Second,
		MetricsPath: "/metrics", Scheme: "http", Compression: true,
		HTTP:      config.DefaultHTTPClientConfig,
		Protocols: []Protocol{OpenMetrics100, PrometheusText004}, Fallback: PrometheusText004,
		EscapingScheme: model.NoEscaping,
		Rules:          walk.Rules{ValidationScheme: model.UTF8Validation, HonorTimestamps: true},
		Self:           "me", View: cell.New(owner.Alone("me")),
	}
}

// targets returns one target for each address.
func targets(addrs ...string) []telemetry.Target {
	var out []telemetry.Target
	for _, a := range addrs {
		out = append(out, labels.FromStrings("__address__", a))
	}
	return out
}

// A rig is a pool that runs in a bubble, with a farm and a recorder.
type rig struct {
	*farm
	pool *Pool
	sink *recorder
	view *cell.Cell[owner.View]
}

// run calls f in a bubble with a running pool that scrapes a:80, and checks
// afterwards that the pool has given everything back.
func run(t *testing.T, cfg Config, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{farm: newFarm(t), sink: newRecorder()}
		r.view = cell.New(cfg.View.Load()) // of this bubble
		cfg.View, cfg.Dial = r.view, r.dial
		p, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.pool = p
		p.SetSink(r.sink)
		p.SetTargets(targets("a:80"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		f(r)
		cancel()
		<-done
		if held := r.sink.held(); len(held) != 0 {
			t.Errorf("still held after Run: %v", held)
		}
		for _, fault := range r.sink.faults {
			t.Error(fault)
		}
	})
}

// next lets one interval pass and returns what was appended in it.
func (r *rig) next() []string {
	time.Sleep(10 * time.Second)
	synctest.Wait()
	return r.sink.lines()
}

// nextBatch is next with the report series.
func (r *rig) nextBatch(t *testing.T) record {
	t.Helper()
	time.Sleep(10 * time.Second)
	synctest.Wait()
	b := r.sink.take()
	if len(b) != 1 {
		t.Fatalf("%d batches in an interval; want 1: %v", len(b), b)
	}
	return b[0]
}
