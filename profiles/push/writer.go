package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/vfs"
)

// A Writer sends profiles to the endpoints of its Config. It is a
// profiles.Sink. Any number of goroutines may use it at the same time, but for
// Update and Run: see there.
type Writer struct {
	cfg      Config
	metrics  *metrics
	external atomic.Pointer[map[string]string]
	wanted   *cell.Cell[[]*endpoint]
}

var _ profiles.Sink = (*Writer)(nil)

// errStopped is returned by Append after Run has returned.
var errStopped = errors.New("pyroscope.write has stopped")

// New returns a Writer. It reads no more than the certificates that cfg names;
// logs are opened by Run, and Append waits for that.
func New(cfg Config) (*Writer, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Writer{cfg: cfg, wanted: cell.New[[]*endpoint](nil)}
	w.metrics = newMetrics(w)
	if err := w.Update(cfg); err != nil {
		return nil, err
	}
	w.metrics.register(cfg.Registry)
	return w, nil
}

// Update replaces external labels and endpoints. An endpoint that is the same
// keeps running, and one of the same name, or of the same URL and without a
// name, keeps its log. One that is gone is drained like at the end of Run; what
// it could not deliver stays on disk. After an error nothing has changed. One
// Update at a time.
func (w *Writer) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	before := map[identity]*endpoint{}
	for _, e := range w.wanted.Load() {
		before[e.settings.Load().identity()] = e
	}
	all := make([]*settings, len(cfg.Endpoints))
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
		if e == nil {
			e = newEndpoint(&w.cfg, s, w.metrics.of(s.redacted()))
		}
		e.configure(s)
		endpoints[i] = e
	}
	external := maps.Clone(cfg.ExternalLabels)
	w.external.Store(&external)
	w.wanted.Set(endpoints)
	return nil
}

// settings returns the settings of e; those of old if they are the same.
func (w *Writer) settings(e Endpoint, old *endpoint) (*settings, error) {
	if old != nil {
		if s := old.settings.Load(); reflect.DeepEqual(s.Endpoint, e) {
			return s, nil
		}
	}
	client, err := newClient(e, w.cfg.Dial)
	if err != nil {
		return nil, err
	}
	return &settings{Endpoint: e, client: client}, nil
}

// Run sends until ctx is done, then delivers what is left within Config.Drain.
// It returns nil when every endpoint has stopped. It must be called once.
func (w *Writer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
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
				life, stop := context.WithCancel(ctx)
				stops[e] = stop
				wg.Go(func() { e.run(life) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Append returns nil once list is in a log: it survives the process then, if
// the disk does its part. An endpoint whose log refuses it while that of another
// takes it drops it, counted. Profiles with labels that no server would take are
// left out, and the error says so.
func (w *Writer) Append(ctx context.Context, list []profiles.Profile) error {
	begin := time.Now()
	recs, wrong := w.encode(list)
	if len(recs) == 0 {
		return wrong
	}
	endpoints := w.wanted.Load()
	errs := make([]error, len(endpoints))
	refused := 0
	for i, e := range endpoints {
		if err := e.append(ctx, recs); err != nil {
			errs[i] = fmt.Errorf("append to endpoint %q: %w", e.key, err)
			refused++
		}
	}
	if refused > 0 && refused == len(endpoints) {
		return errors.Join(append(errs, wrong)...)
	}
	for i, e := range endpoints {
		if errs[i] != nil {
			e.tally.lose("refused", int64(len(recs)), payloadBytes(recs))
		}
	}
	w.cfg.Flow.Add(len(recs))
	w.metrics.total(recs[0].Kind, time.Since(begin))
	return wrong
}

// encode returns the records of list. The error is about those that have none.
func (w *Writer) encode(list []profiles.Profile) ([]queue.Record, error) {
	recs := make([]queue.Record, 0, len(list))
	var errs []error
	external := *w.external.Load()
	for _, p := range list {
		r, err := encode(p, external)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		recs = append(recs, r)
		w.cfg.Live.Say(func() string {
			return fmt.Sprintf("profile: labels=%s, bytes=%d", finish(p.Labels, external), len(p.Raw))
		})
	}
	return recs, errors.Join(errs...)
}

func payloadBytes(recs []queue.Record) (sum int64) {
	for _, r := range recs {
		sum += int64(len(r.Payload))
	}
	return sum
}
