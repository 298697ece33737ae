package pipeline

import "slices"

// Primed reports whether there is a component with that ID, and it can do its
// share of a cluster's work.
func (p *Pipeline) Primed(id string) bool {
	r, built := p.runningOf(id)
	return built && r.Primed()
}

// Unprimed returns the IDs of the components that cannot do their share of a
// cluster's work yet: those that are not built, because they wait for what
// they refer to, and those that say so (component.Primer). Before the first
// load there are none.
func (p *Pipeline) Unprimed() []string {
	var ids []string
	for _, n := range p.components() {
		if n.inst == nil {
			continue
		}
		p.mu.Lock()
		r, built := n.inst.running, n.inst.built
		p.mu.Unlock()
		if !built || !r.Primed() {
			ids = append(ids, n.id)
		}
	}
	slices.Sort(ids)
	return ids
}
