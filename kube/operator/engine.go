package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v2"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/kube/operator/sources"
)

// An Engine follows the objects of one kind. Any number of goroutines may use
// it at the same time.
type Engine struct {
	conf      *cell.Cell[Config]
	discovery *sources.Metrics
	metrics   *metrics
	pace      pace
	published map[string]*Job // the last list, by name; Run's own

	mu     sync.Mutex // guards the fields below
	begun  time.Time  // when Run began to follow conf; zero before
	synced bool
	state  *session // that runs; nil: none
	err    error    // why none runs; nil: none has been tried
}

// New returns an Engine that has not connected yet.
func New(cfg Config) (*Engine, error) {
	cfg, err := complete(cfg)
	if err != nil {
		return nil, err
	}
	e := &Engine{conf: cell.New(cfg), pace: defaultPace(), published: map[string]*Job{}}
	if e.discovery, err = sources.NewMetrics(cfg.Registry); err != nil {
		return nil, err
	}
	e.metrics, err = newMetrics(cfg.Registry, e.Objects)
	return e, err
}

// complete returns cfg with its defaults.
func complete(cfg Config) (Config, error) {
	if err := cfg.Validate(); err != nil {
		return cfg, err
	}
	cfg.Scrape.Interval = cmp.Or(cfg.Scrape.Interval, defaultInterval)
	cfg.Scrape.Timeout = cmp.Or(cfg.Scrape.Timeout, min(defaultTimeout, cfg.Scrape.Interval))
	cfg.SyncTimeout = cmp.Or(cfg.SyncTimeout, defaultSyncTimeout)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Scrape.Timeout > cfg.Scrape.Interval {
		return cfg, fmt.Errorf("default scrape timeout %s is greater than the default scrape interval %s", cfg.Scrape.Timeout, cfg.Scrape.Interval)
	}
	return cfg, nil
}

// Update makes the Engine follow cfg instead, of the same Kind. The jobs stay
// as they are until all that cfg asks for was seen. An error has changed nothing.
func (e *Engine) Update(cfg Config) error {
	cfg, err := complete(cfg)
	if err != nil {
		return err
	}
	e.conf.Set(cfg)
	return nil
}

// Run follows the objects until ctx is done.
func (e *Engine) Run(ctx context.Context) {
	for ctx.Err() == nil {
		cfg, replaced := e.conf.Get()
		e.follow(ctx, cfg, replaced)
	}
}

// follow runs a session for cfg until ctx is done or cfg is replaced.
func (e *Engine) follow(ctx context.Context, cfg Config, replaced <-chan struct{}) {
	s, err := openSession(e, cfg)
	if err != nil {
		// A client that cannot be made from the configuration is made of files
		// that are wrong; they may be right later.
		cfg.Log.Error("cannot ask Kubernetes", "err", err)
		e.enter(nil, err)
		select {
		case <-ctx.Done():
		case <-replaced:
		case <-time.After(cfg.SyncTimeout):
		}
		return
	}
	defer s.close()
	e.enter(s, nil)
	defer e.enter(nil, nil)
	s.run(ctx, replaced)
}

// enter makes s what questions are answered from; nil: nothing runs, because of
// err.
func (e *Engine) enter(s *session, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.err, e.synced, e.begun = s, err, false, time.Now()
}

// session returns what runs; nil: nothing does.
func (e *Engine) session() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Synced reports whether the objects, what they refer to and their targets were
// all seen once, so that the list of jobs is complete.
func (e *Engine) Synced() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.synced
}

// Health returns nil, or why the jobs may be out of date or incomplete: which
// verb on which resource is denied, or since when the API server is silent.
func (e *Engine) Health() error {
	e.mu.Lock()
	s, synced, begun, err := e.state, e.synced, e.begun, e.err
	e.mu.Unlock()
	if s == nil {
		return err
	}
	err = s.weather()
	late := time.Since(begun)
	switch {
	case synced || late < s.conf.SyncTimeout:
		return err
	case err != nil:
		return fmt.Errorf("not everything was seen after %s: %w", late.Round(time.Second), err)
	}
	return fmt.Errorf("not everything was seen after %s", late.Round(time.Second))
}

// Objects returns the status of every object, in the order of namespace and
// name.
func (e *Engine) Objects() []ObjectStatus {
	s := e.session()
	if s == nil {
		return nil
	}
	var out []ObjectStatus
	for _, r := range s.ledger.all() {
		out = append(out, r.now())
	}
	slices.SortFunc(out, func(a, b ObjectStatus) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// ScrapeConfig returns the scrape configurations that an object was translated
// to, as YAML, with their secrets hidden, or an error that says why there are
// none.
func (e *Engine) ScrapeConfig(namespace, name string) ([]byte, error) {
	s := e.session()
	if s == nil {
		return nil, errors.New("nothing was read from Kubernetes yet")
	}
	r, ok := s.ledger.one(objectKey{namespace, name})
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no %s %s/%s", s.conf.Kind, namespace, name)
	case r.status.Err != nil && len(r.scrapes) == 0:
		return nil, r.status.Err
	}
	return yaml.Marshal(map[string][]*config.ScrapeConfig{"scrape_configs": r.scrapes})
}

// A ledger has a record of every object. Any number of goroutines may use it
// at the same time.
type ledger struct {
	mu      sync.Mutex // guards the field below
	records map[objectKey]record
}

// A record is what is shown of an object. It is immutable.
type record struct {
	status  ObjectStatus
	scrapes []*config.ScrapeConfig
	sources [][]*sources.Source // of each of scrapes
}

// now returns the status with what is wrong with the sources at the moment.
func (r record) now() ObjectStatus {
	out := r.status
	for _, s := range slices.Concat(r.sources...) {
		if out.Err == nil {
			out.Err = s.Err()
		}
	}
	return out
}

// all returns the records.
func (l *ledger) all() []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.records))
}

// one returns a record.
func (l *ledger) one(k objectKey) (record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.records[k]
	return r, ok
}

// set replaces a record.
func (l *ledger) set(k objectKey, r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[k] = r
}

// drop removes a record.
func (l *ledger) drop(k objectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.records, k)
}
