package pipeline

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/pipeline/graph"
)

// Config is what a Pipeline is made of. The zero value has no components.
type Config struct {
	Kinds  []component.Kind    // components that a configuration may use
	Blocks []Block             // blocks that set up the collector
	Level  component.Stability // the least settled kinds that may be used

	// Env is lent to the components: Log, Registry and Dir are narrowed to
	// each of them; ID, Export and HTTPPath are filled in. Log may be nil,
	// Registry too, which keeps no metrics.
	Env component.Env

	// Tell sends a note to a component of the same ID on another node, whose
	// Told gets it, or not. It returns at once. Nil: there are no other nodes.
	Tell func(node, component string, note []byte)

	Path        string // directory of the configuration, for module_path
	ClusterName string // label of divvy_config_hash

	// ShutdownDeadline bounds how long Run waits for components to stop.
	// 0: 10 minutes.
	ShutdownDeadline time.Duration
}

// A Pipeline runs a configuration. Any number of goroutines may use it at the
// same time.
type Pipeline struct {
	cfg     Config
	lang    *graph.Language
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{} // holds a token while there is something dirty

	// turn is held by whoever changes what runs. It is held across calls into
	// components, which promise not to block in them.
	turn    token
	phase   phase
	sources map[string][]byte    // of the configuration that runs
	applied map[string]any       // arguments of the collector's own blocks
	leaving map[string]*instance // removed, and not joined yet
	runs    sync.WaitGroup       // goroutines that run instances

	// mu guards the fields below, and the values in nodes and instances. It
	// is held for moments, and never across a call into a component.
	mu    sync.Mutex
	shown bool  // live data may be watched
	tree  *tree // what runs; nil before the first load
	ready bool  // a load has succeeded
	dirty map[*instance]time.Time
}

// A token is a lock that is held for seconds, while components are waited for.
// It is a channel, not a mutex, so that waiting for it is waiting like any
// other.
type token chan struct{}

// Lock waits for the token and takes it.
func (t token) Lock() { t <- struct{}{} }

// Unlock gives the token back.
func (t token) Unlock() { <-t }

// phase says what a Pipeline does.
type phase uint8

const (
	idle phase = iota // Run has not been called
	running
	stopped
)

// New returns a Pipeline that has loaded nothing.
func New(cfg Config) *Pipeline {
	cfg.Env.Log = cmp.Or(cfg.Env.Log, slog.New(slog.DiscardHandler))
	cfg.ShutdownDeadline = cmp.Or(cfg.ShutdownDeadline, 10*time.Minute)
	if cfg.Env.Registry == nil {
		cfg.Env.Registry = prometheus.NewRegistry()
	}
	p := &Pipeline{
		cfg:     cfg,
		lang:    language(cfg),
		log:     cfg.Env.Log,
		wake:    make(chan struct{}, 1),
		turn:    make(token, 1),
		applied: map[string]any{},
		leaving: map[string]*instance{},
		dirty:   map[*instance]time.Time{},
	}
	p.metrics = newMetrics(p)
	return p
}

// language is the language of the configurations that cfg can run.
func language(cfg Config) *graph.Language {
	blocks := make([]component.Kind, len(cfg.Blocks))
	for i, b := range cfg.Blocks {
		blocks[i] = component.Kind{Name: b.Name, Arguments: b.Arguments}
	}
	return graph.NewLanguage(graph.Words{
		Kinds: cfg.Kinds, Imports: Imports(cfg.Kinds), Blocks: blocks, Level: cfg.Level,
	})
}

// errStopped is returned by Load once Run has been told to stop.
var errStopped = errors.New("the collector is shutting down")

// Load replaces the configuration by sources, files by name. It may be called
// before and while Run runs. The error is a *Problems with everything that is
// wrong; then the configuration that runs is kept as it is.
func (p *Pipeline) Load(sources map[string][]byte) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	err := p.loadLocked(sources)
	p.metrics.loaded(err)
	if err != nil {
		return err
	}
	p.metrics.hash(sources, p.cfg.ClusterName)
	return nil
}

// loadLocked needs turn.
func (p *Pipeline) loadLocked(sources map[string][]byte) error {
	if p.phase == stopped {
		return errStopped
	}
	p.metrics.evaluating.Set(1)
	defer p.metrics.evaluating.Set(0)
	s := p.newStage(sources)
	if s.root(); len(s.ds) == 0 {
		p.commit(s)
	}
	if len(s.ds) > 0 {
		s.discard()
		return &Problems{Diagnostics: graph.Sort(s.ds), Sources: s.texts}
	}
	p.sources = maps.Clone(sources)
	return nil
}

// Ready reports whether a configuration has been loaded.
func (p *Pipeline) Ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready
}

// Told hands a note from another node to the component with the given ID. It is
// lost if there is none, or none that listens.
func (p *Pipeline) Told(component, from string, note []byte) {
	if r, ok := p.runningOf(component); ok {
		r.Told(from, note)
	}
}

// Handler returns what the component with the given ID serves, or nil.
func (p *Pipeline) Handler(id string) http.Handler {
	if r, ok := p.runningOf(id); ok {
		return r.Handler()
	}
	return nil
}

// runningOf returns the instance with the given ID, if it is built.
func (p *Pipeline) runningOf(id string) (component.Running, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.tree.byID(id)
	if n == nil || n.inst == nil || !n.inst.built {
		return component.Running{}, false
	}
	return n.inst.running, true
}

// names returns the names of sources in the order in which they are read.
func names(sources map[string][]byte) []string {
	return slices.Sorted(maps.Keys(sources))
}
