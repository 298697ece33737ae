package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/klauspost/compress/gzhttp"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/web/ui"
)

// fleetAPI is where any node answers for the whole fleet: see docs/fleet-api.md.
const fleetAPI = "/api/v0/fleet/"

// A Fleet answers for all nodes: a *report.Reporter.
type Fleet interface {
	ui.Fleet

	// Node returns what this node says of itself.
	Node() report.Node
}

// fleet adds the API of the fleet to mux, at the root, where commands and scripts
// find it, and below prefix, where the pages do.
func (s *Server) fleet(mux *http.ServeMux, prefix string) {
	if s.cfg.Fleet == nil {
		return
	}
	roots := []string{""}
	if prefix != "" {
		roots = append(roots, prefix)
	}
	for _, root := range roots {
		get := func(name string, answer func(r *http.Request) (any, error)) {
			mux.Handle("GET "+root+fleetAPI+name, gzhttp.GzipHandler(answering(answer)))
		}
		get("status", func(r *http.Request) (any, error) { return s.cfg.Fleet.Fleet(r.Context()), nil })
		get("node", func(*http.Request) (any, error) { return s.cfg.Fleet.Node(), nil })
		get("coverage", func(r *http.Request) (any, error) { return s.cfg.Fleet.Fleet(r.Context()).Coverage, nil })
		get("events", func(r *http.Request) (any, error) { return s.cfg.Fleet.Events(r.Context()), nil })
		get("targets", s.fleetTargets)
		get("owner", s.fleetOwner)
		get("target", s.fleetTarget)
	}
}

// answering answers with what answer returns, or with why the request cannot be
// answered: 400, or 404 for what is not there.
func answering(answer func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := answer(r)
		var missing *report.UnknownTarget
		switch {
		case err == nil:
			w.Header().Set("Cache-Control", "no-store")
			writeJSON(w, v)
		case errors.As(err, &missing):
			http.Error(w, err.Error(), http.StatusNotFound)
		default:
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// fleetTargets answers with a page of the fleet's targets.
func (s *Server) fleetTargets(r *http.Request) (any, error) {
	q, err := fleetQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return s.cfg.Fleet.Targets(r.Context(), q)
}

// fleetOwner answers with the targets at a URL or with labels.
func (s *Server) fleetOwner(r *http.Request) (any, error) {
	q, err := fleetQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	if q.URL = r.URL.Query().Get("url"); q.URL == "" && q.Matchers == "" {
		return nil, fmt.Errorf("name a target: ?url=http://… or ?l={job=\"…\"}")
	}
	return s.cfg.Fleet.Targets(r.Context(), q)
}

// fleetTarget answers with all about one target.
func (s *Server) fleetTarget(r *http.Request) (any, error) {
	key, err := strconv.ParseUint(r.FormValue("key"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("key %q is not a number", r.FormValue("key"))
	}
	return s.cfg.Fleet.Detail(r.Context(), r.FormValue("component"), owner.Key(key))
}

// fleetQuery reads the parameters of a list of targets.
func fleetQuery(v url.Values) (q report.Query, err error) {
	q = report.Query{
		Text: v.Get("q"), Matchers: v.Get("l"), Component: v.Get("component"),
		Owner: v.Get("owner"), Health: v.Get("health"), Sort: v.Get("sort"),
	}
	for name, to := range map[string]*int{"offset": &q.Offset, "limit": &q.Limit} {
		if text := v.Get(name); text != "" {
			if *to, err = strconv.Atoi(text); err != nil {
				return q, fmt.Errorf("%s %q is not a number", name, text)
			}
		}
	}
	return q, nil
}
