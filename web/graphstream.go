package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
)

// edgeJSON is what has passed from a component to those that it passes data to.
// The IDs are local ones, as in dataFlowEdgesTo.
type edgeJSON struct {
	ComponentID        string   `json:"componentID"`
	TargetComponentIDs []string `json:"targetComponentIDs"`
	Type               string   `json:"type"` // prometheus_metric or target
	Rate               float64  `json:"rate"` // per second
}

// Bounds of a window, in seconds.
const (
	defaultWindow = 5
	maxWindow     = 60
)

// showRates answers with a list of edgeJSON for each window: the components of
// the root or of a module, and how much each has passed on, on average. It needs
// no live debugging: components count in any case.
//
//	400  the window is not a number of seconds from 1 to 60
//	404  there is no such module
func (s *Server) showRates(w http.ResponseWriter, r *http.Request) {
	window, err := windowOf(r.FormValue("window"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	module := r.PathValue("id")
	if !s.moduleExists(module) {
		http.Error(w, fmt.Sprintf("there is no module %q", module), http.StatusNotFound)
		return
	}
	rates := newRates(s.cfg.Pipeline, module)
	s.every(window, w, r, func(out *stream) bool {
		text, err := json.Marshal(rates.next())
		if err != nil {
			panic("BUG: encode rates: " + err.Error())
		}
		out.item(string(text))
		return true
	})
}

// windowOf reads a window; "" is the default.
func windowOf(text string) (time.Duration, error) {
	if text == "" {
		return defaultWindow * time.Second, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxWindow {
		return 0, fmt.Errorf("window %q is not a number of seconds from 1 to %d", text, maxWindow)
	}
	return time.Duration(n) * time.Second, nil
}

// moduleExists reports whether a component has made the module; "" is the root.
func (s *Server) moduleExists(id string) bool {
	return id == "" || slices.ContainsFunc(s.cfg.Pipeline.Components(), func(c pipeline.ComponentState) bool {
		return slices.Contains(c.ModuleIDs, id)
	})
}

// rates turns what components have counted into rates.
type rates struct {
	pipeline *pipeline.Pipeline
	module   string
	last     map[string]int64 // counts by ID
	at       time.Time
}

// newRates returns the rates of a module, from now on.
func newRates(p *pipeline.Pipeline, module string) *rates {
	r := &rates{pipeline: p, module: module}
	r.next()
	return r
}

// next returns the rates since the last call.
func (r *rates) next() []edgeJSON {
	now, counts := time.Now(), map[string]int64{}
	edges := []edgeJSON{}
	for _, c := range sorted(r.pipeline) {
		if c.ModuleID != r.module || c.Data == "" {
			continue
		}
		counts[c.ID] = c.Passed
		passed := c.Passed - r.last[c.ID]
		if passed < 0 { // it is another instance
			passed = c.Passed
		}
		edges = append(edges, edgeJSON{
			ComponentID: c.LocalID, TargetComponentIDs: append([]string{}, c.DataFlowTo...), Type: c.Data,
			Rate: float64(passed) / max(now.Sub(r.at).Seconds(), 1e-9),
		})
	}
	r.last, r.at = counts, now
	return edges
}
