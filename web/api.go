package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/encoding/alloyjson"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web/excerpt"
)

// componentJSON is a component as the API shows it. Lists are never null.
type componentJSON struct {
	Name                 string          `json:"name"`
	Type                 string          `json:"type"`
	LocalID              string          `json:"localID"`
	ModuleID             string          `json:"moduleID"`
	Label                string          `json:"label,omitempty"`
	ReferencesTo         []string        `json:"referencesTo"`
	ReferencedBy         []string        `json:"referencedBy"`
	DataFlowEdgesTo      []string        `json:"dataFlowEdgesTo"`
	Health               healthJSON      `json:"health"`
	Original             string          `json:"original"`
	Arguments            json.RawMessage `json:"arguments,omitempty"`
	Exports              json.RawMessage `json:"exports,omitempty"`
	DebugInfo            json.RawMessage `json:"debugInfo,omitempty"`
	CreatedModuleIDs     []string        `json:"createdModuleIDs,omitempty"`
	LiveDebuggingEnabled bool            `json:"liveDebuggingEnabled"`

	// Shortened says how long lists are of which only the beginning is there, by
	// part and name, as in {"debugInfo": {"target": 10000}}.
	Shortened map[string]map[string]int `json:"shortened,omitempty"`
}

// healthJSON is the health of a component as the API shows it.
type healthJSON struct {
	State       string    `json:"state"`
	Message     string    `json:"message"`
	UpdatedTime time.Time `json:"updatedTime"`
}

// summary returns s without its arguments and what it has made of them: a list
// of a thousand components is asked for often.
func summary(s pipeline.ComponentState) componentJSON {
	list := func(ids []string) []string { return append([]string{}, ids...) }
	return componentJSON{
		Name:             s.Name,
		Type:             "block",
		LocalID:          s.LocalID,
		ModuleID:         s.ModuleID,
		Label:            s.Label,
		ReferencesTo:     list(s.ReferencesTo),
		ReferencedBy:     list(s.ReferencedBy),
		DataFlowEdgesTo:  list(s.DataFlowTo),
		Health:           healthJSON{s.Health.State.String(), s.Health.Message, s.Health.Since},
		CreatedModuleIDs: s.ModuleIDs,

		LiveDebuggingEnabled: s.Data != "",
	}
}

// keptItems is how many items of a list are shown unless more are asked for.
const keptItems = 200

// detail returns everything about s, of lists up to most items. Secrets are
// hidden by their types, and fields of objects by their names.
func detail(s pipeline.ComponentState, most int) (componentJSON, error) {
	out := summary(s)
	for _, part := range []struct {
		name  string
		value any
		to    *json.RawMessage
	}{{"arguments", s.Arguments, &out.Arguments}, {"exports", s.Exports, &out.Exports}, {"debugInfo", s.DebugInfo(), &out.DebugInfo}} {
		if part.value == nil {
			continue
		}
		short, whole := excerpt.Of(part.value, most)
		if len(whole) > 0 {
			if out.Shortened == nil {
				out.Shortened = map[string]map[string]int{}
			}
			out.Shortened[part.name] = whole
		}
		text, err := alloyjson.MarshalBody(short)
		if err != nil {
			return out, fmt.Errorf("encode %s: %w", s.ID, err)
		}
		if *part.to, err = status.HideFields(text); err != nil {
			return out, fmt.Errorf("hide secrets of %s: %w", s.ID, err)
		}
	}
	return out, nil
}

// sorted returns the components of p by ID.
func sorted(p *pipeline.Pipeline) []pipeline.ComponentState {
	return slices.SortedFunc(slices.Values(p.Components()), func(a, b pipeline.ComponentState) int {
		return cmp.Compare(a.ID, b.ID)
	})
}

// inModule returns the summaries of the components of one module; "" is the root.
func inModule(p *pipeline.Pipeline, moduleID string) []componentJSON {
	out := []componentJSON{}
	for _, s := range sorted(p) {
		if s.ModuleID == moduleID {
			out = append(out, summary(s))
		}
	}
	return out
}

// listComponents answers with the components of the root.
func (s *Server) listComponents(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, inModule(s.cfg.Pipeline, ""))
}

// listModule answers /modules/<ID>/components, where the ID may hold slashes.
func (s *Server) listModule(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutSuffix(r.PathValue("id"), "/components")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if id == "" || !s.moduleExists(id) {
		http.Error(w, fmt.Sprintf("there is no module %q", id), http.StatusNotFound)
		return
	}
	writeJSON(w, inModule(s.cfg.Pipeline, id))
}

// showComponent answers with everything about one component. Of a list it shows
// the first keptItems, or the number that limit gives; 0 shows all. The targets
// of components that scrape are better asked for at /api/v0/fleet/targets, page
// by page.
func (s *Server) showComponent(w http.ResponseWriter, r *http.Request) {
	most, err := limitOf(r.FormValue("limit"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.PathValue("id")
	state, ok := s.cfg.Pipeline.Component(id)
	if !ok {
		http.Error(w, fmt.Sprintf("there is no component %q", id), http.StatusNotFound)
		return
	}
	out, err := detail(state, most)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, out)
}

// limitOf reads how many items of a list are asked for.
func limitOf(text string) (most int, err error) {
	if text == "" {
		return keptItems, nil
	}
	most, err = strconv.Atoi(text)
	switch {
	case err != nil || most < 0:
		return 0, fmt.Errorf("limit %q is not a number of items: use 0 for all, or more", text)
	case most == 0:
		return math.MaxInt, nil
	}
	return most, nil
}

// writeJSON answers with v, without the passwords of URLs: no type marks them.
func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that has left does not hear of it.
	_, _ = w.Write(HidePasswords(text))
}

// healthy answers whether the components of the root do their work: 200, or 500
// with the IDs of those that do not. Components inside modules do not count, nor
// do those that have ended: probes of other collectors see it the same way.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	var sick []string
	for _, c := range sorted(s.cfg.Pipeline) {
		if c.ModuleID == "" && c.Health.State == component.Unhealthy {
			sick = append(sick, c.LocalID)
		}
	}
	if len(sick) > 0 {
		http.Error(w, "unhealthy components: "+strings.Join(sick, ", "), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "All divvy components are healthy.")
}

// componentPrefix is followed by the ID of a component and the path within it.
const componentPrefix = "/api/v0/component/"

// component passes a request on to the component that its path names. IDs may
// hold slashes, so the shortest one that serves anything counts.
func (s *Server) component(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, componentPrefix)
	for end := range len(rest) + 1 {
		if end < len(rest) && rest[end] != '/' {
			continue
		}
		if h := s.cfg.Pipeline.Handler(rest[:end]); h != nil {
			http.StripPrefix(componentPrefix+rest[:end], h).ServeHTTP(w, r)
			return
		}
	}
	http.Error(w, fmt.Sprintf("no component serves %q", rest), http.StatusNotFound)
}

// componentsJSON returns all components of all modules for a support bundle.
// Whoever reads that is not the user, so also what only might be secret is
// hidden: the arguments of modules, and contents.
func componentsJSON(p *pipeline.Pipeline) ([]byte, error) {
	var out []componentJSON
	for _, s := range sorted(p) {
		if strings.HasPrefix(s.Name, "import.") {
			s.Arguments = nil
		}
		if holdsSecret(reflect.TypeOf(s.Exports), nil) {
			s.Exports = nil
		}
		s.Arguments, s.Exports = withoutStrings(s.Arguments), withoutStrings(s.Exports)
		c, err := detail(s, keptItems)
		if err != nil {
			return nil, err
		}
		for _, part := range []*json.RawMessage{&c.Arguments, &c.Exports, &c.DebugInfo} {
			if *part, err = hideNamed(*part); err != nil {
				return nil, fmt.Errorf("encode %s: %w", s.ID, err)
			}
		}
		out = append(out, c)
	}
	return json.MarshalIndent(out, "", "  ")
}

// withoutStrings returns v; of the arguments of a module, which have no type of
// their own, only the names.
func withoutStrings(v any) any {
	untyped, ok := v.(map[string]any)
	if !ok {
		return v
	}
	untyped = maps.Clone(untyped)
	for name := range untyped {
		untyped[name] = redacted
	}
	return untyped
}
