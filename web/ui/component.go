package ui

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/web/excerpt"
)

// componentPage is everything about one component.
type componentPage struct {
	ID, LocalID, Kind, Module string // Module "": the root
	State, Message            string
	Since                     time.Time
	API                       string // path of the same as JSON

	Sections     []section
	Dependencies []reference // what its arguments refer to
	Dependants   []reference
	Modules      []moduleRows // that it has made
	Debuggable   bool         // it has live data
	Fleet        []entry      // pages about what it does in the fleet
}

// A section is one of the bodies of a component.
type section struct {
	ID, Name string
	Body     body
	Empty    bool
	Err      string // why it cannot be shown
}

// A reference is a component beside this one, and how it is.
type reference struct {
	ID    string // "": not a component
	Local string
	State string
}

// A moduleRows is a module with the components in it.
type moduleRows struct {
	ID   string
	Rows []componentRow
}

// component is the model of the page of one component.
func (u *UI) component(r *http.Request) (any, error) {
	id := r.PathValue("id")
	c, ok := u.cfg.Pipeline.Component(id)
	if !ok {
		return nil, refuse(http.StatusNotFound, "There is no component %q.", id)
	}
	if path := r.FormValue("value"); path != "" {
		return download(c, path)
	}
	p := showComponent(c, u.cfg.Pipeline.Components())
	l := linkOf(r)
	for _, s := range sectionsOf(c) {
		p.Sections = append(p.Sections, s.section(func(path string) string { return l.With("value", path) }))
	}
	return p, nil
}

// keptItems is how many items of a list are encoded for a page: more than it
// shows.
const keptItems = 200

// A source is what a section is made of.
type source struct {
	id, name string
	value    func() any
}

// sectionsOf returns the bodies of c, in the order of the page.
func sectionsOf(c pipeline.ComponentState) []source {
	return []source{
		{"arguments", "Arguments", func() any { return c.Arguments }},
		{"exports", "Exports", func() any { return c.Exports }},
		{"debug", "Debug information", c.DebugInfo},
	}
}

// section returns s as the page shows it; download returns the URL of a value.
func (s source) section(download func(path string) string) section {
	short, whole := excerpt.Of(s.value(), keptItems)
	list, err := statements(short)
	if err != nil {
		return section{ID: s.id, Name: s.name, Err: err.Error()}
	}
	printer := bodyPrinter{download, whole}
	return section{ID: s.id, Name: s.name, Body: printer.print(list, s.id), Empty: len(list) == 0}
}

// download returns the value of c at a path as a file.
func download(c pipeline.ComponentState, path string) (any, error) {
	name, rest, _ := strings.Cut(path, separatorPath)
	for _, s := range sectionsOf(c) {
		if s.id != name {
			continue
		}
		list, err := statements(s.value())
		if err != nil {
			return nil, err
		}
		if v, ok := find(list, strings.Split(rest, separatorPath)); ok {
			return file{name: c.ID + "." + name + ".txt", text: v.Text(0) + "\n"}, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "Component %s has no value %s any more.", c.ID, path)
}

// A file is a model that is sent as it is instead of a page.
type file struct{ name, text string }

// send answers with the file.
func (f file) send(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	h.Set("X-Content-Type-Options", "nosniff")
	// A browser that has left does not hear of it.
	_, _ = w.Write([]byte(f.text))
}

// showComponent returns the page of c among all components, without its
// sections.
func showComponent(c pipeline.ComponentState, all []pipeline.ComponentState) componentPage {
	row := rowOf(c)
	p := componentPage{
		ID: c.ID, LocalID: c.LocalID, Kind: c.Name, Module: c.ModuleID,
		State: row.State, Message: row.Message, Since: row.Since,
		API: "/api/v0/web/components/" + c.ID, Debuggable: c.Data != "",
	}
	refer := func(local string) reference {
		id := idIn(c.ModuleID, local)
		for _, other := range all {
			if other.ID == id {
				return reference{id, local, other.Health.State.String()}
			}
		}
		return reference{Local: local}
	}
	for _, local := range c.ReferencesTo {
		p.Dependencies = append(p.Dependencies, refer(local))
	}
	for _, local := range c.ReferencedBy {
		p.Dependants = append(p.Dependants, refer(local))
	}
	p.Fleet = fleetPages(c.Name)
	for _, id := range c.ModuleIDs {
		p.Modules = append(p.Modules, moduleRows{id, rowsIn(id, all)})
	}
	return p
}

// fleetPages returns the pages about what components of a kind do in the fleet.
func fleetPages(kind string) []entry {
	switch kind {
	case "prometheus.scrape", "pyroscope.scrape":
		return []entry{{Path: "/targets", Name: "Targets"}}
	case "discovery.relabel":
		return []entry{{Path: "/dropped", Name: "Dropped targets"}}
	case "prometheus.remote_write":
		return []entry{{Path: "/remote-write", Name: "Remote write"}}
	}
	return nil
}

// idIn returns the ID of a component by its local ID in a module.
func idIn(module, local string) string {
	if module == "" {
		return local
	}
	return module + "/" + local
}

// rowsIn returns the rows of the components of one module, by ID.
func rowsIn(module string, all []pipeline.ComponentState) []componentRow {
	var rows []componentRow
	for _, c := range all {
		if c.ModuleID == module {
			rows = append(rows, rowOf(c))
		}
	}
	slices.SortFunc(rows, func(a, b componentRow) int { return natural(a.ID, b.ID) })
	return rows
}
