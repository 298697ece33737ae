package web

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/divvy-collector/divvy/pipeline"
)

//go:embed status.html
var statusText string

// statusPage shows the nodes and the components, with their health.
var statusPage = template.Must(template.New("status").Parse(statusText))

// status answers with the page.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	page := struct {
		Ready      bool
		API        string
		Build      map[string]string
		Notices    []string // what is wrong with this node's part in the cluster
		Peers      []peer
		Components []pipeline.ComponentState
	}{
		Ready:      s.cfg.Pipeline.Ready(),
		API:        strings.TrimSuffix(s.cfg.PathPrefix, "/") + "/api/v0/web",
		Build:      s.cfg.Bundle.Build,
		Notices:    notices(s.cfg),
		Peers:      peers(s.cfg),
		Components: sorted(s.cfg.Pipeline),
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := statusPage.Execute(w, page); err != nil {
		s.cfg.Log.Debug("status page not written", "err", err)
	}
}
