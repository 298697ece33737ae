package pipeline

import (
	"slices"
	"time"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/pipeline/graph"
)

// A ComponentState is what there is to see of one component. Secrets in
// Arguments, Exports and DebugInfo are of secret types: encode them through
// syntax or alloyjson, never with %v.
type ComponentState struct {
	ID       string // unique: <module>/<local ID>
	Name     string // prometheus.scrape
	Label    string
	LocalID  string // unique in the module
	ModuleID string // "" for the root

	ReferencesTo  []string // local IDs that the arguments refer to
	ReferencedBy  []string // local IDs that refer to this one
	DataFlowTo    []string // local IDs to which this one passes what it has
	ModuleIDs     []string // modules that this component has made
	Health        component.Health
	Arguments     any // struct with alloy tags, or map[string]any of a module's arguments; nil before evaluation
	Exports       any // likewise
	HasHandler    bool
	Data          string // what passes through it, as the HTTP API calls it; "" if it does not say
	Passed        int64  // how much did, since it was built
	debug         component.Running
	instanceBuilt bool
}

// DebugInfo returns the component's inner state, or nil. It may take a while.
func (s ComponentState) DebugInfo() any {
	if !s.instanceBuilt {
		return nil
	}
	return s.debug.DebugInfo()
}

// Components returns the components of all modules, in the order of
// evaluation.
func (p *Pipeline) Components() []ComponentState {
	var out []ComponentState
	for _, n := range p.components() {
		out = append(out, p.state(n))
	}
	return out
}

// Component returns the component with the given ID, or false.
func (p *Pipeline) Component(id string) (ComponentState, bool) {
	for _, n := range p.components() {
		if n.id == id {
			return p.state(n), true
		}
	}
	return ComponentState{}, false
}

// components returns the nodes that users know as components.
func (p *Pipeline) components() []*node {
	p.mu.Lock()
	t := p.tree
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	var out []*node
	for _, n := range t.nodes {
		switch n.Role {
		case graph.Component, graph.Import, graph.Custom, graph.Foreach:
			out = append(out, n)
		}
	}
	return out
}

// state returns a snapshot of n.
func (p *Pipeline) state(n *node) ComponentState {
	s := ComponentState{ID: n.id, Name: n.Name, Label: n.Label, LocalID: n.Node.ID(), ModuleID: n.frame.id}
	for _, f := range n.under {
		s.ModuleIDs = append(s.ModuleIDs, f.id)
	}
	references(n, &s)
	if n.inst != nil {
		p.instanceState(n, &s)
		return s
	}
	s.Exports = p.exports(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Arguments = n.value
	switch {
	case n.health != "":
		s.Health = component.Health{State: component.Unhealthy, Message: n.health}
	case n.pending != "":
		s.Health = component.Health{State: component.Unhealthy, Message: waiting(n)}
	default:
		s.Health = component.Health{State: component.Healthy, Message: "evaluated"}
	}
	s.Health.Since = p.tree.made
	return s
}

// instanceState fills in what the instance of n knows.
func (p *Pipeline) instanceState(n *node, s *ComponentState) {
	p.mu.Lock()
	i := n.inst
	problem := i.problem
	s.Health, s.Arguments, s.Exports = i.health, i.args, i.exports
	s.debug, s.instanceBuilt = i.running, i.built
	s.Data, s.Passed = i.kind.Data, i.flow.Count()
	p.mu.Unlock()
	if _, isImport := s.Exports.(imported); isImport {
		s.Exports = nil
	}
	if !s.instanceBuilt {
		if !problem.Since.IsZero() {
			s.Health = problem
		}
		return
	}
	s.HasHandler = s.debug.Handler() != nil
	if own, ok := s.debug.Health(); ok && s.Health.State == component.Healthy {
		s.Health = own
		if s.Health.Since.IsZero() {
			s.Health.Since = time.Now()
		}
	}
	if !problem.Since.IsZero() && s.Health.State < component.Unhealthy {
		s.Health = problem
	}
}

// references fills in the references from and to n within its module.
func references(n *node, s *ComponentState) {
	for _, other := range n.frame.nodes {
		for _, ref := range refsOf(other.Node) {
			from, to := other.Node.ID(), ref.To.ID()
			switch {
			case other == n:
				s.ReferencesTo = append(s.ReferencesTo, to)
				if n.frame.flowsTo(ref) {
					s.DataFlowTo = append(s.DataFlowTo, to)
				}
			case ref.To == n.Node:
				s.ReferencedBy = append(s.ReferencedBy, from)
				if !n.frame.flowsTo(ref) {
					s.DataFlowTo = append(s.DataFlowTo, from)
				}
			}
		}
	}
	for _, list := range []*[]string{&s.ReferencesTo, &s.ReferencedBy, &s.DataFlowTo} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// refsOf returns what n refers to. A foreach also refers to what its template
// takes from around it.
func refsOf(n *graph.Node) []graph.Ref {
	if n.Template == nil {
		return n.Refs
	}
	list := slices.Clone(n.Refs)
	for _, inner := range n.Template.Nodes {
		for _, ref := range refsOf(inner) {
			if ref.To.Module != n.Template {
				list = append(list, ref)
			}
		}
	}
	return list
}

// flowsTo reports whether data flows to what is referred to: who takes a
// receiver sends to it, and who takes any other export is sent it. A module may
// export a receiver under any name.
func (f *frame) flowsTo(r graph.Ref) bool {
	if len(r.Path) == 0 {
		return false
	}
	if to := f.find(r.To); to != nil && to.Role == graph.Custom {
		export := to.exportNodes()[r.Path[0]]
		return export != nil && slices.ContainsFunc(export.Refs, export.frame.flowsTo)
	}
	return r.Path[0] == "receiver"
}
