package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/member"
	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/web/ui"
)

// Config says what a Server shows.
type Config struct {
	Listener *Listener
	Pipeline *pipeline.Pipeline
	Gatherer prometheus.Gatherer // of /metrics
	Log      *slog.Logger

	// Reload reads the configuration again. Its error is shown to the client.
	Reload func() error

	PathPrefix string // of the UI and of /api/v0/web; begins with /
	Pprof      bool   // serve /debug/pprof

	Self string                 // this node's name in View
	View *cell.Cell[owner.View] // who is in the cluster
	Node *member.Node           // this node in the cluster; nil: clustering is disabled

	Fleet Fleet // what the pages and the API of the fleet show; nil: nothing

	Bundle BundleConfig
}

// shutdownGrace bounds how long requests in flight may keep a Server from
// ending.
const shutdownGrace = 5 * time.Second

// A Server answers everything that comes through its Listener: HTTP/1.1, and
// HTTP/2 with and without TLS.
type Server struct {
	cfg    Config
	bundle *bundle
	http   *http.Server
	ending chan struct{} // closed when streams have to end
}

// New returns a Server that shows what cfg says.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, bundle: newBundle(cfg), ending: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           s.entrance(),
		Protocols:         protocols,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       3 * time.Minute,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(sync.OnceFunc(func() { close(s.ending) }))
	return s
}

// Run answers requests until ctx is cancelled; then it closes the Listener, lets
// requests in flight end for a few seconds, and returns. An error says why
// requests could not be answered any more before that.
func (s *Server) Run(ctx context.Context) error {
	// Both listeners share one http.Server, so authentication and routes are the
	// same for the network and for components.
	ended := make(chan error, 2)
	var serving sync.WaitGroup
	serving.Go(func() { ended <- s.http.Serve(publicListener{s.cfg.Listener}) })
	serving.Go(func() { ended <- s.http.Serve(s.cfg.Listener.memory) })
	var failed error
	select {
	case err := <-ended:
		failed = fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		// Streams that do not end by themselves are cut.
		failed = errors.Join(failed, s.http.Close())
	}
	serving.Wait()
	return failed
}

// routes returns the mux of every path. Probes and the component API stay where
// they are whatever the path prefix is; only what people open in a browser, and
// the API behind it, moves.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	}))
	mux.HandleFunc("/-/ready", s.ready)
	mux.HandleFunc("/-/healthy", s.healthy)
	mux.HandleFunc("/-/reload", s.reload)
	mux.HandleFunc("GET /-/support", s.bundle.serve)
	mux.HandleFunc("/api/v0/component/", s.component)
	for _, prefix := range clusterRoutes {
		mux.HandleFunc(prefix, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "clustering is disabled", http.StatusNotFound)
		})
	}
	if s.cfg.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	s.pages(mux)
	return mux
}

// pages adds what is served under the path prefix.
func (s *Server) pages(mux *http.ServeMux) {
	prefix := strings.TrimSuffix(s.cfg.PathPrefix, "/")
	get := func(path string, h http.HandlerFunc) {
		mux.Handle("GET "+prefix+path, gzhttp.GzipHandler(h))
	}
	api := "/api/v0/web"
	get(api+"/components", s.listComponents)
	get(api+"/components/{id...}", s.showComponent)
	get(api+"/modules/{id...}", s.listModule)
	get(api+"/peers", s.listPeers)
	mux.HandleFunc("GET "+prefix+api+"/debug/{id...}", s.showLive)
	mux.HandleFunc("GET "+prefix+api+"/graph", s.showRates)
	mux.HandleFunc("GET "+prefix+api+"/graph/{id...}", s.showRates)
	s.fleet(mux, prefix)
	mux.Handle(prefix+"/", gzhttp.GzipHandler(ui.New(ui.Config{
		Pipeline: s.cfg.Pipeline,
		Fleet:    s.cfg.Fleet,
		Log:      s.cfg.Log,
		Self:     s.cfg.Self,
		Version:  s.cfg.Bundle.Build["version"],
		Prefix:   prefix,
		Notices:  func() []string { return notices(s.cfg) },
	})))
	if prefix != "" {
		mux.Handle("GET "+prefix, http.RedirectHandler(prefix+"/", http.StatusFound))
		mux.Handle("GET /{$}", http.RedirectHandler(prefix+"/", http.StatusFound))
	}
}

// ready answers whether a configuration was loaded, and this node serves its
// share of the cluster's work: 200, or 503. A failed reload does not make a
// collector unready, for the configuration before it still runs; neither do too
// few nodes, or nodes that are started one after the other would never be enough.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	node := s.cfg.Node
	switch {
	case !s.cfg.Pipeline.Ready():
		http.Error(w, "divvy is not ready.", http.StatusServiceUnavailable)
	case node != nil && node.Stage() != roster.Serving:
		http.Error(w, fmt.Sprintf("divvy is not ready. In the cluster it is %s.", node.Stage()), http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "divvy is ready.")
	}
}

// reload reads the configuration again and says how that went: 200, or 400 with
// what is wrong. HEAD, which the routes would count as GET, changes nothing: it
// is what probes and link checkers send.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "use GET or POST to reload", http.StatusMethodNotAllowed)
		return
	}
	if err := s.cfg.Reload(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "config reloaded")
}
