package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/vfs"
)

// A Writer sends samples to the endpoints of its Config. It is a
// telemetry.Sink. Any number of goroutines may use it at the same time, but
// for Update and Run: see there.
type Writer struct {
	cfg     Config
	metrics *writerMetrics
	state   atomic.Pointer[state]
	wanted  *cell.Cell[[]*endpoint]
	mu      sync.Mutex // one change of state at a time
}

// A state is what Resolve and Append work with. It is replaced, never changed.
type state struct {
	epoch     telemetry.Epoch
	endpoints []*endpoint
	current   *generation
	older     []*generation // with series that are still held
}

// errStopped is returned by Append and Flush after Run has returned.
var errStopped = errors.New("remote write has stopped")

// New returns a Writer. It reads no more than the certificates that cfg names;
// logs are opened by Run. Until then it takes what fits its memory.
func New(cfg Config) (*Writer, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Writer{cfg: cfg, wanted: cell.New[[]*endpoint](nil)}
	w.state.Store(&state{})
	w.metrics = newWriterMetrics(w)
	if err := w.Update(cfg); err != nil {
		return nil, err
	}
	w.metrics.register(cfg.Registry)
	return w, nil
}

// Update replaces external labels and endpoints. An endpoint that is the same
// keeps running, and one of the same name, or of the same URL and without a
// name, keeps its log. One that is gone is drained like at the end of Run;
// what it could not deliver stays on disk. After an error nothing has changed.
// One Update at a time.
func (w *Writer) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	all := make([]*settings, len(cfg.Endpoints))
	before := w.known()
	for i, e := range cfg.Endpoints {
		s, err := w.settings(e.withDefaults(), before[e.identity()])
		if err != nil {
			return fmt.Errorf("configure endpoint %q: %w", e.title(), err)
		}
		all[i] = s
	}
	endpoints := make([]*endpoint, len(all))
	for i, s := range all {
		e := before[s.identity()]
		delete(before, s.identity())
		if e == nil {
			e = newEndpoint(&w.cfg, s)
		}
		e.configure(s)
		endpoints[i] = e
	}
	for _, e := range before {
		e.metrics.unregister()
	}
	w.adopt(cfg.ExternalLabels, endpoints)
	return nil
}

// An identity is what makes an endpoint the same after an Update. One that has
// moved to another URL, or whose log has another cap, is another endpoint, which
// takes over the log once the first has let go of it.
type identity struct {
	key, url string
	maxBytes int64
}

// identity returns that of e.
func (e Endpoint) identity() identity { return identity{e.key(), e.URL, e.MaxBytes} }

// known returns the endpoints that there are.
func (w *Writer) known() map[identity]*endpoint {
	list := map[identity]*endpoint{}
	for _, e := range w.state.Load().endpoints {
		list[e.settings.Load().identity()] = e
	}
	return list
}

// settings returns the settings of e; those of old if they are the same.
func (w *Writer) settings(e Endpoint, old *endpoint) (*settings, error) {
	if old != nil {
		if s := old.settings.Load(); sameClient(s.Endpoint, e) {
			return &settings{Endpoint: e, client: s.client}, nil
		}
	}
	client, err := newClient(e, w.cfg.Dial)
	if err != nil {
		return nil, err
	}
	return &settings{Endpoint: e, client: client}, nil
}

// adopt makes endpoints the ones that samples go to.
func (w *Writer) adopt(external labels.Labels, endpoints []*endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.state.Load()
	next := &state{epoch: old.epoch, endpoints: endpoints, current: old.current, older: old.older}
	if old.current == nil || !old.current.serves(external, endpoints) {
		next.current = newGeneration(external, endpoints)
		next.epoch = telemetry.NextEpoch()
		next.older = held(append(slices.Clone(old.older), old.current))
	}
	w.state.Store(next)
	w.wanted.Set(endpoints)
}

// renew begins a new generation, so that every series is resolved again: the
// table of the one in st is torn.
func (w *Writer) renew(st *state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.state.Load()
	if next.current != st.current {
		return
	}
	next.current = newGeneration(st.current.external, next.endpoints)
	next.epoch = telemetry.NextEpoch()
	next.older = held(append(slices.Clone(next.older), st.current))
	w.state.Store(&next)
}

// held returns those of list that have series.
func held(list []*generation) []*generation {
	return slices.DeleteFunc(list, func(g *generation) bool { return g == nil || g.table.Size() == 0 })
}

// Run sends until ctx is done, then commits what was appended and delivers
// what is left within Config.Drain. It returns nil when every endpoint has
// stopped. It must be called once.
func (w *Writer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	first := w.wanted.Load()
	wg.Go(func() { w.tellOfStrays(first) })
	stops := map[*endpoint]context.CancelFunc{}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	for {
		want, changed := w.wanted.Get()
		for _, e := range slices.Collect(maps.Keys(stops)) {
			if !slices.Contains(want, e) {
				stops[e]()
				delete(stops, e)
			}
		}
		for _, e := range want {
			if stops[e] == nil {
				epCtx, stop := context.WithCancel(ctx)
				stops[e] = stop
				wg.Go(func() { e.run(epCtx, w.families) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// families returns the metadata of the series there are.
func (w *Writer) families() []telemetry.Metadata {
	return w.state.Load().current.table.Families()
}

// Resolve returns the handle of a series: see telemetry.Sink.
func (w *Writer) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	h, created := w.state.Load().current.resolve(lset, md)
	if created {
		w.metrics.created.Inc()
	}
	return h
}

// Epoch changes with external labels, endpoints and their rules.
func (w *Writer) Epoch() telemetry.Epoch { return w.state.Load().epoch }

// Append encodes b into the open block of its lane at every endpoint. It
// returns an error if no endpoint has room; an endpoint without room drops the
// batch, counted, where another one has it.
func (w *Writer) Append(b *telemetry.Batch) error {
	st := w.state.Load()
	if st.current.table.Torn() {
		w.renew(st)
		return telemetry.ErrEpoch
	}
	if b.Epoch != st.epoch {
		return telemetry.ErrEpoch
	}
	st.rlock()
	defer st.runlock()
	var errs []error
	taken := len(st.endpoints) == 0
	for _, e := range st.endpoints {
		if err := e.append(st, b); err != nil {
			errs = append(errs, fmt.Errorf("append to endpoint %q: %w", e.key, err))
			continue
		}
		taken = true
	}
	if !taken {
		return errors.Join(errs...)
	}
	n := len(b.Samples) + len(b.Histograms)
	w.metrics.appended.Add(float64(n))
	w.cfg.Flow.Add(n)
	if w.cfg.Live.Watched() {
		w.showLocked(st, b)
	}
	w.metrics.exemplars.Add(float64(len(b.Exemplars)))
	return nil
}

// rlock keeps the tables as they are while a batch is encoded.
func (st *state) rlock() {
	st.current.table.RLock()
	for _, g := range st.older {
		g.table.RLock()
	}
}

// runlock undoes rlock.
func (st *state) runlock() {
	st.current.table.RUnlock()
	for _, g := range st.older {
		g.table.RUnlock()
	}
}

// generation returns the one that resolved h, and the number of h in it.
func (st *state) generation(h telemetry.Handle) (g *generation, n int) {
	if n, ours := st.current.id.Index(h); ours {
		return st.current, n
	}
	for _, g := range st.older {
		if n, ours := g.id.Index(h); ours {
			return g, n
		}
	}
	return nil, 0
}

// Flush returns nil once what was appended before is in every endpoint's log.
func (w *Writer) Flush(ctx context.Context) error {
	var errs []error
	for _, e := range w.state.Load().endpoints {
		if err := e.commit(ctx); err != nil {
			errs = append(errs, fmt.Errorf("commit to endpoint %q: %w", e.key, err))
		}
	}
	return errors.Join(errs...)
}

// CommitSoon has every endpoint commit what was appended.
func (w *Writer) CommitSoon() {
	for _, e := range w.state.Load().endpoints {
		e.commitSoon()
	}
}

// Delivered returns nil once the receivers have what was appended before, or
// refused it: see telemetry.Deliverer.
func (w *Writer) Delivered(ctx context.Context) error {
	endpoints := w.state.Load().endpoints
	errs := make([]error, len(endpoints))
	var wg sync.WaitGroup
	for i, e := range endpoints {
		wg.Go(func() {
			if err := e.settle(ctx); err != nil {
				errs[i] = fmt.Errorf("deliver to endpoint %q: %w", e.key, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Release gives up holds: see telemetry.Sink.
func (w *Writer) Release(handles []telemetry.Handle) {
	st := w.state.Load()
	ended := false
	for _, h := range handles {
		g, n := st.generation(h)
		if g == nil || !g.table.Release(n) {
			continue
		}
		w.metrics.removed.Inc()
		ended = ended || g != st.current && g.table.Size() == 0
	}
	if ended {
		w.forget()
	}
}

// forget drops the generations that nobody holds a series of any more.
func (w *Writer) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.state.Load()
	next.older = held(slices.Clone(next.older))
	w.state.Store(&next)
}
