package ui

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/web/ui/human"
	"github.com/divvy-collector/divvy/web/ui/layered"
)

// graphPage is the components of a module as a picture, and as a list for those
// who do not see it.
type graphPage struct {
	Module  string // "": the root
	Crumbs  []crumb
	Width   float64
	Height  float64
	Nodes   []graphNode
	Edges   []graphEdge
	Rows    []graphRow
	Rates   bool          // rates are known of some edges
	Window  time.Duration // over which they are taken
	Windows []option
}

// A crumb is a step of the way to a module.
type crumb struct {
	Name string
	Path string // of its page; "": it has none
}

// A graphNode is a component as a box.
type graphNode struct {
	ID, Kind, Label, State string
	Modules                []string // that it has made
	X, Y, W, H             float64
}

// A graphEdge is a curve from box to box.
type graphEdge struct {
	Name       string // what flows from where to where
	Path       string // of the SVG element
	Rate       string // "": not known
	X, Y       float64
	Idle, Data bool // Idle: nothing flows; Data: samples, not targets
}

// A graphRow is a component with what it passes data to.
type graphRow struct {
	componentRow
	Local string
	To    []flow
}

// A flow is what goes from a component to another of the same module.
type flow struct {
	ID, Local string
	Rate      string
}

// graph is the model of the picture of the root, or of a module.
func (u *UI) graph(r *http.Request) (any, error) {
	module := r.PathValue("module")
	all := u.cfg.Pipeline.Components()
	if module != "" && !slices.ContainsFunc(all, func(c pipeline.ComponentState) bool { return slices.Contains(c.ModuleIDs, module) }) {
		return nil, refuse(http.StatusNotFound, "There is no module %q.", module)
	}
	window := windowOf(r.FormValue("window"))
	p := drawGraph(module, all, u.meter.rates(read(u.cfg.Now(), all), window))
	p.Window = window
	for _, seconds := range []int{1, 5, 15, 60} {
		d := time.Duration(seconds) * time.Second
		p.Windows = append(p.Windows, option{strconv.Itoa(seconds), human.Span(d), d == window})
	}
	return p, nil
}

// windowOf reads a number of seconds over which rates are taken.
func windowOf(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		return defaultWindow
	}
	return min(max(time.Duration(n)*time.Second, time.Second), longestWindow)
}

// drawGraph returns the page of a module. rates are samples a second by ID.
func drawGraph(module string, all []pipeline.ComponentState, rates map[string]float64) graphPage {
	p := graphPage{Module: module, Crumbs: crumbs(module, all)}
	inside := slices.DeleteFunc(slices.Clone(all), func(c pipeline.ComponentState) bool { return c.ModuleID != module })
	slices.SortFunc(inside, func(a, b pipeline.ComponentState) int { return natural(a.ID, b.ID) })
	index := map[string]int{}
	var g layered.Graph
	for i, c := range inside {
		index[c.LocalID] = i
		n := nodeOf(c)
		p.Nodes = append(p.Nodes, n)
		g.Sizes = append(g.Sizes, layered.Size{W: n.W, H: n.H})
	}
	for i, c := range inside {
		row := graphRow{componentRow: rowOf(c), Local: c.LocalID}
		for _, local := range c.DataFlowTo {
			to, ok := index[local]
			if !ok {
				continue
			}
			f := flow{ID: inside[to].ID, Local: local}
			e := graphEdge{Name: c.LocalID + " to " + local, Data: slices.Contains(c.ReferencesTo, local)}
			if perSecond, known := rates[c.ID]; known && e.Data {
				p.Rates = true
				f.Rate, e.Rate, e.Idle = human.Rate(perSecond), human.Rate(perSecond), perSecond == 0
			}
			row.To = append(row.To, f)
			p.Edges = append(p.Edges, e)
			g.Edges = append(g.Edges, [2]int{i, to})
		}
		p.Rows = append(p.Rows, row)
	}
	p.lay(g)
	return p
}

// margin is the room around the picture, in pixels.
const margin = 12

// lay places the nodes and edges of p as g is laid out.
func (p *graphPage) lay(g layered.Graph) {
	l := layered.Lay(g)
	p.Width, p.Height = l.Size.W+2*margin, l.Size.H+2*margin
	for i := range p.Nodes {
		p.Nodes[i].X, p.Nodes[i].Y = l.Nodes[i].X+margin, l.Nodes[i].Y+margin
	}
	for i := range p.Edges {
		points := l.Edges[i]
		if points == nil {
			continue
		}
		p.Edges[i].Path = curveThrough(points)
		// The rate stands on the last stretch, which is free of other boxes.
		a, b := points[len(points)-2], points[len(points)-1]
		p.Edges[i].X, p.Edges[i].Y = (a.X+b.X)/2+margin, (a.Y+b.Y)/2+margin
	}
}

// curveThrough returns the path of an edge: level at each point, bent between.
func curveThrough(points []layered.Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", points[0].X+margin, points[0].Y+margin)
	for i := 1; i < len(points); i++ {
		a, z := points[i-1], points[i]
		bend := (z.X - a.X) / 2
		fmt.Fprintf(&b, "C%.1f %.1f %.1f %.1f %.1f %.1f",
			a.X+bend+margin, a.Y+margin, z.X-bend+margin, z.Y+margin, z.X+margin, z.Y+margin)
	}
	return b.String()
}

// nodeOf returns the box of a component, which is as wide as its names.
func nodeOf(c pipeline.ComponentState) graphNode {
	const letter, edge, height = 7.3, 36, 46
	n := graphNode{ID: c.ID, Kind: c.Name, Label: c.Label, State: c.Health.State.String(), Modules: c.ModuleIDs, H: height}
	if n.Label == "" {
		n.Kind, n.Label = "", c.LocalID
	}
	n.W = edge + letter*float64(max(len(n.Kind), len(n.Label), 12))
	if len(n.Modules) > 0 {
		n.W += 44
	}
	return n
}

// crumbs returns the way to a module, the outermost module first. Each step but
// the last leads to a graph. A foreach is a component that has a module for each
// item, so it leads to its page, and its modules have none.
func crumbs(module string, all []pipeline.ComponentState) []crumb {
	var list []crumb
	for end := range len(module) + 1 {
		if end == 0 || end < len(module) && module[end] != '/' {
			continue
		}
		c := crumb{Name: module[:end]}
		isModule := slices.ContainsFunc(all, func(s pipeline.ComponentState) bool { return slices.Contains(s.ModuleIDs, c.Name) })
		isComponent := slices.ContainsFunc(all, func(s pipeline.ComponentState) bool { return s.ID == c.Name })
		switch {
		case isModule && end < len(module):
			c.Path = "/graph/" + c.Name
		case isComponent:
			c.Path = "/component/" + c.Name
		}
		list = append(list, c)
	}
	return list
}
