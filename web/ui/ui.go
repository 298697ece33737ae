package ui

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/pipeline"
)

// Config says what a UI shows.
type Config struct {
	Pipeline *pipeline.Pipeline
	Fleet    Fleet // nil: the pages about the fleet say that there is none
	Log      *slog.Logger

	Self    string // this node's name
	Version string // of the program
	Prefix  string // path below which everything is served; "" or "/": the root

	// Notices returns what is wrong with this node's part in the cluster; it is
	// shown as long as Fleet is nil. nil returns nothing.
	Notices func() []string

	Now func() time.Time // nil: time.Now
}

// A Fleet answers for all nodes: a *report.Reporter, or stored answers in tests.
type Fleet interface {
	Fleet(ctx context.Context) report.Fleet
	Verdict(ctx context.Context) []string
	Targets(ctx context.Context, q report.Query) (report.Page, error)
	Detail(ctx context.Context, component string, key owner.Key) (report.Detail, error)
	Events(ctx context.Context) []report.Event
	Histories(ctx context.Context, node string) ([]report.History, error)
}

// A UI is an http.Handler of all pages and of what they load.
type UI struct {
	cfg   Config
	files files
	meter meter
	mux   *http.ServeMux
}

// A view is one page.
type view struct {
	path    string // pattern below the prefix, as http.ServeMux has them
	file    string // name of the template, without .html
	section string // entry of the navigation that is marked; "": none

	// model returns what the template is executed with. A *refusal says what is
	// shown instead; any other error is shown as one of the server.
	model func(*http.Request) (any, error)
}

// views lists the pages.
func (u *UI) views() []view {
	return []view{
		{"/{$}", "components", "components", u.components},
		{"/component/{id...}", "component", "components", u.component},
		{"/graph/{module...}", "graph", "graph", u.graph},
		{"/graph", "graph", "graph", u.graph},
		{"/debug/{id...}", "debug", "components", u.debug},
		{"/clustering", "clustering", "clustering", u.clustering},
		{"/targets", "targets", "targets", u.targets},
		{"/target", "target", "targets", u.target},
		{"/dropped", "dropped", "targets", u.dropped},
		{"/remotecfg/{rest...}", "refusal", "", u.remoteConfig},
		{"/remotecfg", "refusal", "", u.remoteConfig},
		{"/remote-write", "remotewrite", "remote-write", u.remoteWrite},
	}
}

// New returns a UI that shows what cfg says.
func New(cfg Config) *UI {
	cfg.Prefix = strings.TrimSuffix(cfg.Prefix, "/")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Notices == nil {
		cfg.Notices = func() []string { return nil }
	}
	u := &UI{cfg: cfg, files: openFiles(cfg.Prefix), mux: http.NewServeMux()}
	functions := u.functions()
	for _, v := range u.views() {
		u.mux.Handle("GET "+cfg.Prefix+v.path, u.serve(v, parsePage(functions, v.file)))
	}
	u.mux.Handle("GET "+cfg.Prefix+"/assets/", u.files)
	lost := view{section: "", model: func(r *http.Request) (any, error) {
		return nil, refuse(http.StatusNotFound, "There is no page %s.", r.URL.Path)
	}}
	u.mux.Handle(cfg.Prefix+"/", u.serve(lost, parsePage(functions, "refusal")))
	return u
}

// ServeHTTP answers with a page. What asks for an API that is not there is told
// so in plain text.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, u.cfg.Prefix)
	if strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/-/") {
		http.NotFound(w, r)
		return
	}
	u.mux.ServeHTTP(w, r)
}

// parsePage returns the layout with the page that file holds.
func parsePage(functions template.FuncMap, file string) *template.Template {
	t := template.New("layout.html").Funcs(functions)
	return template.Must(t.ParseFS(templates, "layout.html", "parts.html", file+".html"))
}
