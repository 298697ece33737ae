package graph

import (
	"slices"
	"strings"
)

// order sets m.Nodes to nodes with each after those that it refers to, and as
// they are written otherwise. Cycles are reported with their whole path.
func (p *planner) order(m *Module, nodes []*Node) {
	w := walk{planner: p, module: m, state: map[*Node]visit{}}
	for _, n := range nodes {
		w.visit(n)
	}
	m.Nodes = w.done
}

// visit is how far a walk has come with a node.
type visit uint8

const (
	unseen visit = iota
	active       // on the path
	done
)

// walk is a depth-first walk along After. A node is done once all that it comes
// after is; a node that is met again while it is on the path closes a cycle.
type walk struct {
	*planner
	module *Module
	state  map[*Node]visit
	path   []*Node
	done   []*Node
}

func (w *walk) visit(n *Node) {
	switch w.state[n] {
	case done:
		return
	case active:
		w.cycle(w.path[slices.Index(w.path, n):])
		return
	}
	w.state[n] = active
	w.path = append(w.path, n)
	for _, o := range n.After {
		if o.Module == w.module {
			w.visit(o)
		}
	}
	w.path = w.path[:len(w.path)-1]
	w.state[n] = done
	w.done = append(w.done, n)
}

// cycle reports a path that ends where it began, at the reference that leads
// from its first node to the second.
func (w *walk) cycle(path []*Node) {
	var ids []string
	for _, n := range append(slices.Clone(path), path[0]) {
		n.Unsound = true
		ids = append(ids, n.ID())
	}
	start, end := path[0].Block.NamePos, headerEnd(path[0].Block)
	next := path[1%len(path)]
	for _, c := range chains(path[0].Block.Body) {
		if s := c.String(); s == next.ID() || strings.HasPrefix(s, next.ID()+".") {
			start, end = c.start, c.end
			break
		}
	}
	w.at(start, end, "cycle: %s; remove one of these references", strings.Join(ids, " → "))
}
