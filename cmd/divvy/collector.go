package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/divvy-collector/divvy/components"
	"github.com/divvy-collector/divvy/fleet/member"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/web"
)

// A Collector is one divvy: a pipeline of components, the HTTP server that shows
// it, and the storage path that is its own. Load may be called by any goroutine
// at any time between Open and Close; Run is called once.
type Collector struct {
	cfg      Config
	path     string       // of the configuration: a file or a directory
	log      *slog.Logger // root of all loggers; ends in output
	output   *logOutput   // settings of the logging block
	lock     *storageLock // nothing is locked where the path cannot be written
	listener *web.Listener
	pipeline *pipeline.Pipeline
	server   *web.Server
	registry *prometheus.Registry // of this Collector only: several fit into one process
	node     *member.Node         // in the cluster; nil without one
	left     sync.Once            // node is closed
	reporter *report.Reporter     // answers for the fleet
	started  time.Time
	loads    loads
	usage    usage
	throttle throttle

	secretTypes map[string]reflect.Type // arguments of components and blocks, by name

	mu      sync.Mutex        // guards sources, and makes loads one after the other
	sources map[string][]byte // as loaded last
}

// Open checks cfg, takes the storage path and binds the HTTP address. Nothing is
// answered and no component exists before Load and Run. Logs go to stderr.
func Open(cfg Config, path string, stderr io.Writer) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{cfg: cfg, path: path, output: newLogOutput(stderr), registry: prometheus.NewRegistry(), started: time.Now()}
	c.log = c.output.Logger()
	var err error
	if c.lock, err = lockStorage(cfg.StoragePath, c.log); err != nil {
		c.output.settle()
		return nil, err
	}
	if c.listener, err = web.Listen(cfg.HTTP.ListenAddr, cfg.HTTP.MemoryAddr); err != nil {
		c.output.settle()
		return nil, errors.Join(err, c.lock.Close())
	}
	if err = c.openNode(); err != nil {
		c.output.settle()
		return nil, errors.Join(err, c.Close())
	}
	c.assemble()
	return c, nil
}

// assemble makes the pipeline and the server and connects them. It starts
// nothing. The listener comes before both, because components dial it and the
// server answers on it; the pipeline comes before the server, which shows it.
func (c *Collector) assemble() {
	c.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		currentBuild().metric(),
		web.Resources(),
	)
	self, view := c.cfg.Cluster.Node.Name, c.view()
	kinds, blocks := components.All(), blocks(c.output.Apply, c.listener.Apply, c.applyLive)
	c.secretTypes = secretTypes(kinds, blocks)
	c.pipeline = pipeline.New(pipeline.Config{
		Kinds:  kinds,
		Blocks: blocks,
		Level:  c.cfg.Stability,
		Env: component.Env{
			Log:        c.log,
			Dir:        c.cfg.StoragePath,
			Registry:   c.registry,
			Self:       self,
			View:       view,
			Lease:      c.lease(),
			Dial:       c.listener.Dial,
			MemoryAddr: c.cfg.HTTP.MemoryAddr,
			Gatherer:   c.registry,
			Drain:      c.cfg.drain(),
			Reaches:    c.reaches(),
		},
		Tell:             c.tell(),
		Path:             configDir(c.path),
		ClusterName:      c.cfg.Cluster.Node.Cluster,
		ShutdownDeadline: c.cfg.ShutdownDeadline,
	})
	c.reporter = c.newReporter()
	c.server = web.New(web.Config{
		Listener:   c.listener,
		Pipeline:   c.pipeline,
		Gatherer:   c.registry,
		Log:        c.log,
		Reload:     c.reload,
		PathPrefix: c.cfg.HTTP.PathPrefix,
		Pprof:      c.cfg.HTTP.Pprof,
		Self:       self,
		View:       view,
		Node:       c.node,
		Fleet:      c.reporter,
		Bundle: web.BundleConfig{
			Refused: c.cfg.HTTP.BundleRefused,
			Build:   currentBuild().fields(),
			Flags:   c.cfg.flagValues(),
			Types:   c.secretTypes,
			Sources: c.loaded,
			TeeLog:  c.output.Tee,
		},
	})
}

// applyLive opens or closes the view on what passes through components.
func (c *Collector) applyLive(a LiveDebuggingArguments) error {
	c.pipeline.ShowLive(a.Enabled)
	return nil
}

// longestDrain bounds drain. What is not delivered in that time is on disk and is
// delivered after the next start, so nothing is gained by waiting for a receiver
// that hangs, and a restart is delayed by it.
const longestDrain = 30 * time.Second

// drain is how long components may deliver what is left: most of the shutdown
// deadline, so that they can still say what they could not deliver.
func (c *Config) drain() time.Duration { return min(c.ShutdownDeadline/10*9, longestDrain) }

// configDir returns the directory of the configuration at path.
func configDir(path string) string {
	if stat, err := os.Stat(path); err == nil && stat.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// Addr returns host:port of the HTTP server.
func (c *Collector) Addr() string { return c.listener.Addr() }

// Load reads the configuration and makes it the running one, or returns an
// error that explains to people what is wrong with it and changes nothing.
func (c *Collector) Load() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.loads.note(time.Now(), err) }()
	sources, err := readSources(c.path)
	if err != nil {
		c.output.giveUp()
		return err
	}
	if err := c.pipeline.Load(sources); err != nil {
		c.output.giveUp()
		return explained{err: err, text: explain(sources, err)}
	}
	c.sources = sources
	c.tellConfig(sources)
	// An http block that has not changed is not applied again, but the files that
	// it names may have: certificates are renewed in place.
	if err := c.listener.Refresh(); err != nil {
		return fmt.Errorf("renew the http block's TLS; the rest was loaded, and the certificate before stays: %w", err)
	}
	return nil
}

// explained is an error whose text shows the lines that it is about.
type explained struct {
	err  error
	text string
}

// Error returns the text.
func (e explained) Error() string { return e.text }

// Unwrap returns the error that is explained.
func (e explained) Unwrap() error { return e.err }

// reload is Load with a line in the log.
func (c *Collector) reload() error {
	c.throttle.useAll()
	err := c.Load()
	if err != nil {
		c.log.Error("configuration not reloaded; the previous one goes on", "path", c.path,
			"err", string(web.HidePasswords([]byte(oneLine(err)))))
		return c.veil(err)
	}
	c.log.Info("configuration reloaded", "path", c.path)
	return nil
}

// veil returns err, of a load, for whoever may ask for a reload: the lines of
// the configuration that it shows are without secrets.
func (c *Collector) veil(err error) error {
	var problems *pipeline.Problems
	if !errors.As(err, &problems) {
		return err
	}
	shown := *problems
	shown.Sources = web.Veil(c.secretTypes, problems.Sources)
	return explained{err: &shown, text: string(web.HidePasswords([]byte(explain(nil, &shown))))}
}

// loaded returns the files of the configuration that runs.
func (c *Collector) loaded() map[string][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.sources)
}

// Run serves and runs the components until ctx is cancelled. Then other nodes
// take over, the components stop and deliver what is left, this node's part in
// the cluster ends, and then the server. An error says what ended it before.
//
// Each ends only after the one above: all of them go on while they are left.
//
//	ctx ─► takePart ─► pipeline ─► gossip ─► server
func (c *Collector) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	gossip, stopGossip := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGossip()
	// The server outlives the components: they may scrape it.
	serve, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	// A server that ends by itself takes everything with it: a collector that
	// nobody can ask is not left running.
	served := make(chan error, 1)
	go func() {
		served <- c.server.Run(serve)
		cancel()
	}()
	var gossiping, taking sync.WaitGroup
	if c.node != nil {
		gossiping.Go(func() { c.node.Run(gossip) })
	}
	gossiping.Go(func() { c.reporter.Run(gossip) })
	taking.Go(func() {
		c.takePart(ctx)
		stopWork()
	})
	c.log.Info("divvy is running", "addr", c.Addr(), "path", c.path)
	err := c.pipeline.Run(work)
	taking.Wait()
	stopGossip()
	gossiping.Wait()
	err = errors.Join(err, c.closeNode())
	stopServing()
	err = errors.Join(err, <-served)
	c.log.Info("divvy has stopped")
	return err
}

// closeNode ends this node's part in the cluster, if it has one still.
func (c *Collector) closeNode() (err error) {
	c.left.Do(func() {
		if c.node == nil {
			return
		}
		if err = c.node.Close(); err != nil {
			err = fmt.Errorf("close node: %w", err)
		}
	})
	return err
}

// Close gives back what Open took. Run, if it was called, has returned.
func (c *Collector) Close() error {
	err := c.listener.Close()
	if err != nil {
		err = fmt.Errorf("close listener: %w", err)
	}
	return errors.Join(c.closeNode(), err, c.lock.Close())
}
