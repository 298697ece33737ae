package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Path is where senders expect a Receiver.
const Path = "/api/v1/metrics/write"

// Names of the messages that senders may put into the Content-Type.
const (
	MessageV1 = "prometheus.WriteRequest"
	MessageV2 = "io.prometheus.write.v2.Request"
)

// Config says what a Receiver takes, and where it goes.
type Config struct {
	Name     string   // of the component; part of the batch keys
	Messages []string // accepted messages; empty: MessageV1
	Metadata bool     // pass on what senders say about families
	Typed    bool     // add __type__ and __unit__ to series of version 2.0

	Log      *slog.Logger
	Registry prometheus.Registerer // read by New only
	Live     *live.Feed            // told of the samples; may be nil
	Flow     *live.Flow            // how many there are; may be nil

	MaxBodyBytes    int           // of a body as it is sent; 0: 16 MiB
	MaxDecodedBytes int           // of a body once decompressed; 0: 32 MiB
	MaxSeries       int           // remembered between requests; 0: 1,000,000
	Idle            time.Duration // after which a series is forgotten; 0: 10 min
}

// expansion bounds the memory that a decoded request may take: this many times
// MaxDecodedBytes.
const expansion = 8

// withDefaults returns c with its zero values replaced.
func (c Config) withDefaults() Config {
	if len(c.Messages) == 0 {
		c.Messages = []string{MessageV1}
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 16 << 20
	}
	if c.MaxDecodedBytes == 0 {
		c.MaxDecodedBytes = 32 << 20
	}
	if c.MaxSeries == 0 {
		c.MaxSeries = 1_000_000
	}
	if c.Idle == 0 {
		c.Idle = 10 * time.Minute
	}
	return c
}

// Validate reports messages that are not known.
func (c Config) Validate() error {
	for _, m := range c.Messages {
		if m != MessageV1 && m != MessageV2 {
			return fmt.Errorf("unknown protobuf message %q: use %s or %s", m, MessageV1, MessageV2)
		}
	}
	return nil
}

// A Receiver answers remote write requests. Any number of goroutines may use
// it at the same time. Use New, and Run beside the server.
type Receiver struct {
	metrics  metrics
	decoding chan struct{} // one place for each request that is being decoded
	families familyTable
	state    atomic.Pointer[state]
}

// A state is what an Update replaces.
type state struct {
	conf  Config
	cache *cache
	keys  [lanes]uint64
}

// New returns a Receiver that appends to sink.
func New(cfg Config, sink telemetry.Sink) (*Receiver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Receiver{
		metrics:  newMetrics(),
		decoding: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		families: familyTable{byName: map[string]*telemetry.Metadata{}},
	}
	if err := r.metrics.register(cfg.Registry); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	r.state.Store(newState(cfg, sink))
	return r, nil
}

// newState returns a state that knows no series. The keys of its batches
// depend on the name alone: what is queued keeps its order over a restart.
func newState(cfg Config, sink telemetry.Sink) *state {
	cfg = cfg.withDefaults()
	s := &state{conf: cfg, cache: newCache(sink, cfg.MaxSeries)}
	for i := range s.keys {
		s.keys[i] = xxhash.Sum64String(fmt.Sprintf("%s/%d", cfg.Name, i))
	}
	return s
}

// Update replaces the configuration and the sink. Requests under way go to
// the old one. An error has changed nothing.
func (r *Receiver) Update(cfg Config, sink telemetry.Sink) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	old := r.state.Swap(newState(cfg, sink))
	old.cache.retire()
	return nil
}

// Run forgets series that are not sent any more, until ctx is done. Then it
// releases all of them: the server has stopped by then.
func (r *Receiver) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.state.Load().cache.retire()
			return
		case now := <-tick.C:
			s := r.state.Load()
			s.cache.forget(now.Add(-s.conf.Idle))
		}
	}
}

// A written is what of a request a sink has taken.
type written struct{ samples, histograms, exemplars int }

// errBusy says that the rules of the sink changed again and again.
var errBusy = errors.New("the rules of the receivers keep changing")

// store appends the series of a request, lane by lane. On an error some lanes
// may have been taken.
func (r *Receiver) store(s *state, list []series) (written, error) {
	var byLane [lanes][]int
	var buf []byte
	for i := range list {
		lane := laneOf(list[i].labels, &buf)
		byLane[lane] = append(byLane[lane], i)
	}
	var done written
	for lane, members := range byLane {
		if len(members) == 0 {
			continue
		}
		n, err := r.storeLane(s, lane, list, members)
		if err != nil {
			return done, err
		}
		done.samples += n.samples
		done.histograms += n.histograms
		done.exemplars += n.exemplars
	}
	r.metrics.forwarded.Add(float64(done.samples + done.histograms))
	return done, nil
}

// storeLane appends the members of one lane as one batch, and resolves them
// once more when the rules of the sink change meanwhile.
func (r *Receiver) storeLane(s *state, lane int, list []series, members []int) (written, error) {
	// Rules change when a configuration is loaded: twice in a row is rare,
	// and without a bound a broken sink could hold the request for ever.
	for range 5 {
		n, err := r.tryStoreLane(s, lane, list, members)
		if !errors.Is(err, telemetry.ErrEpoch) {
			return n, err
		}
	}
	return written{}, errBusy
}

// tryStoreLane returns ErrEpoch if the rules of the sink have changed since the
// first series was resolved; then nothing was appended.
func (r *Receiver) tryStoreLane(s *state, lane int, list []series, members []int) (written, error) {
	now := time.Now()
	sink := s.cache.sink
	b := telemetry.Batch{Epoch: sink.Epoch(), Key: s.keys[lane], Scope: s.conf.Name}
	pinned := make([]*entry, 0, len(members))
	var n written
	for _, i := range members {
		item := &list[i]
		e := s.cache.pin(lane, query{labels: item.labels, md: r.metadata(s, item), epoch: b.Epoch, now: now})
		pinned = append(pinned, e)
		n.samples += len(item.samples)
		n.histograms += len(item.histograms)
		n.exemplars += len(item.exemplars)
		if e.handle != telemetry.Dropped {
			item.appendTo(&b, e.handle)
		}
	}
	err := sink.Append(&b)
	r.metrics.latency.Observe(time.Since(now).Seconds())
	s.cache.unpin(lane, pinned)
	if err == nil {
		s.conf.Flow.Add(len(b.Samples) + len(b.Histograms))
		s.show(list, members)
	}
	return n, err
}

// metadata returns what is known of a series, if it is to be passed on.
func (r *Receiver) metadata(s *state, item *series) *telemetry.Metadata {
	switch {
	case !s.conf.Metadata:
		return nil
	case item.md != nil:
		return item.md
	default:
		return r.families.lookup(item.labels.Get(model.MetricNameLabel))
	}
}

// appendTo adds what s holds to b, under handle h.
func (s *series) appendTo(b *telemetry.Batch, h telemetry.Handle) {
	for _, p := range s.samples {
		if p.start != 0 {
			b.Starts = append(b.Starts, telemetry.Start{Index: len(b.Samples), T: p.start})
		}
		b.Samples = append(b.Samples, telemetry.Sample{Handle: h, T: p.t, V: p.v})
	}
	for _, p := range s.histograms {
		p.Handle = h
		b.Histograms = append(b.Histograms, p)
	}
	for _, e := range s.exemplars {
		b.Exemplars = append(b.Exemplars, telemetry.ExemplarSample{Handle: h, Exemplar: e})
	}
}

// accepts reports whether the message is one of those that are configured.
func (s *state) accepts(message string) bool { return slices.Contains(s.conf.Messages, message) }

// acquire waits for a place to decode in; release gives it back.
func (r *Receiver) acquire(ctx context.Context) (release func(), err error) {
	select {
	case r.decoding <- struct{}{}:
		return sync.OnceFunc(func() { <-r.decoding }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
