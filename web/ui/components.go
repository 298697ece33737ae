package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
)

// componentsPage is the list of components.
type componentsPage struct {
	Link    link
	Counts  []stateCount // of all components
	Healths []option
	Modules []option
	Rows    []componentRow
	Pager   pager
}

// A stateCount is how many components are in a state, and where they are listed.
type stateCount struct {
	State string
	Count int
	URL   string
}

// A componentRow is a component in a list.
type componentRow struct {
	ID, Module, State, Message string
	Since                      time.Time
}

// rootModule stands for the root, whose ID is empty, in a query.
const rootModule = "root"

// componentRows is how many components are listed at once.
const componentRows = 200

// components is the model of the list of components.
func (u *UI) components(r *http.Request) (any, error) {
	var all []componentRow
	for _, c := range u.cfg.Pipeline.Components() {
		all = append(all, rowOf(c))
	}
	return listComponents(linkOf(r), all), nil
}

// rowOf returns the row of a component.
func rowOf(c pipeline.ComponentState) componentRow {
	return componentRow{
		ID: c.ID, Module: cmp.Or(c.ModuleID, rootModule),
		State: c.Health.State.String(), Message: c.Health.Message, Since: c.Health.Since,
	}
}

// listComponents returns the page that l asks for.
func listComponents(l link, all []componentRow) componentsPage {
	var rows []componentRow
	var modules, states []string
	counts := map[string]int{}
	for _, row := range all {
		modules = append(modules, row.Module)
		counts[row.State]++
		if row.fits(l) {
			rows = append(rows, row)
		}
	}
	sortComponents(rows, l.Get("sort"))
	page := componentsPage{Link: l, Pager: l.pager(componentRows, len(rows), len(all))}
	for _, state := range healthOrder {
		if counts[state] > 0 {
			states = append(states, state)
			page.Counts = append(page.Counts, stateCount{state, counts[state], l.With("health", state)})
		}
	}
	page.Rows = part(rows, page.Pager)
	page.Healths = l.options("health", "any", states)
	page.Modules = l.options("module", "any", modules)
	return page
}

// fits reports whether the filters of l let the row pass: every word of q must
// be part of it.
func (row componentRow) fits(l link) bool {
	text := strings.ToLower(row.ID + " " + row.Message)
	for _, word := range strings.Fields(strings.ToLower(l.Get("q"))) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	health, module := l.Get("health"), l.Get("module")
	return (health == "" || health == row.State) && (module == "" || module == row.Module)
}

// healthOrder is the states with what needs attention first.
var healthOrder = [...]string{"unhealthy", "exited", "unknown", "healthy"}

// sortComponents sorts rows by a key: id, which "" is too, health or since, with
// "-" in front for the other way round.
func sortComponents(rows []componentRow, key string) {
	key, descending := strings.CutPrefix(key, "-")
	slices.SortStableFunc(rows, func(a, b componentRow) int {
		if descending {
			a, b = b, a
		}
		byID := natural(a.ID, b.ID)
		switch key {
		case "health":
			return cmp.Or(slices.Index(healthOrder[:], a.State)-slices.Index(healthOrder[:], b.State), byID)
		case "since":
			return cmp.Or(a.Since.Compare(b.Since), byID)
		}
		return byID
	})
}
