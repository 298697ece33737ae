package pipeline

import (
	"maps"
	"slices"
	"time"

	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/pipeline/graph"
)

// settle evaluates what refers to changed exports, in order. The caller holds
// turn.
//
// Changes that arrive while it works leave another token in wake, for another
// settle: so a component that exports ten times in a moment has its dependants
// evaluated once, and one that never stops exporting does not keep a load from
// its turn. The structure is changed at the end.
func (p *Pipeline) settle() {
	p.metrics.evaluating.Set(1)
	defer p.metrics.evaluating.Set(0)
	restage := false
	work := p.takeDirty(&restage)
	for len(work) > 0 {
		p.metrics.queue.Set(float64(len(work)))
		n := slices.MinFunc(slices.Collect(maps.Keys(work)), func(a, b *node) int { return a.order - b.order })
		delete(work, n)
		if p.timed(n, &restage) {
			for _, d := range p.tree.dependants[n] {
				work[d] = true
			}
		}
	}
	p.metrics.queue.Set(0)
	if restage {
		p.restage()
	}
}

// takeDirty returns the nodes that refer to what has exported since the last
// call. An import that has exported changes the structure.
func (p *Pipeline) takeDirty(restage *bool) map[*node]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	work := map[*node]bool{}
	for inst, since := range p.dirty {
		n := p.tree.byID(inst.id)
		if n == nil || n.inst != inst {
			continue
		}
		p.metrics.wait.Observe(time.Since(since).Seconds())
		*restage = *restage || n.Role == graph.Import
		for _, d := range p.tree.dependants[n] {
			work[d] = true
		}
	}
	clear(p.dirty)
	return work
}

// timed is reevaluate with its metrics.
func (p *Pipeline) timed(n *node, restage *bool) (changed bool) {
	start := time.Now()
	defer func() { p.metrics.evaluated(n.id, time.Since(start)) }()
	return p.reevaluate(n, restage)
}

// reevaluate evaluates n again and reports whether its value has changed, so
// that what reads it is to be evaluated, too. A component's value are its
// exports: it reports a change of those itself, through Env.Export. A foreach
// has no value; its collection is structure.
func (p *Pipeline) reevaluate(n *node, restage *bool) (changed bool) {
	if id := p.notBuilt(n); id != "" {
		if n.inst != nil {
			n.inst.fail("waiting for " + id)
		}
		return false
	}
	switch n.Role {
	case graph.Component, graph.Import:
		return p.refresh(n)
	case graph.Foreach:
		v, ds := p.collection(n)
		*restage = *restage || len(ds) == 0 && !graph.Equal(p.value(n), v)
		p.failed(n, ds)
		return false
	}
	v, ds := p.valueOf(n)
	if p.failed(n, ds); len(ds) > 0 || n.pending == "" && graph.Equal(p.value(n), v) {
		return false
	}
	if n.Role == graph.Config {
		p.reapply(n, v)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n.value, n.pending = v, ""
	return true
}

// failed records what was wrong with a node that is no component.
func (p *Pipeline) failed(n *node, ds diag.Diagnostics) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.health = ""; len(ds) > 0 {
		n.health = ds[0].Message
	}
}

// reapply applies a block of the collector that refers to a component.
func (p *Pipeline) reapply(n *node, args any) {
	i := slices.IndexFunc(p.cfg.Blocks, func(b Block) bool { return b.Name == n.Name })
	if err := p.cfg.Blocks[i].apply(args); err != nil {
		p.log.Error("cannot apply the block", "component", n.id, "err", err)
		return
	}
	p.applied[n.Name] = args
}

// refresh evaluates the arguments of a component again: it is updated if they
// have changed, and built if that was not possible before. It reports whether
// it was built.
func (p *Pipeline) refresh(n *node) (built bool) {
	args, ds := graph.Decode(n.Block, n.Kind.Arguments, p.vars(n))
	var err error
	switch {
	case len(ds) > 0:
		err = ds[0]
	case !n.inst.built:
		if err = n.inst.build(args); err == nil {
			p.mu.Lock()
			n.pending = ""
			p.mu.Unlock()
			if p.phase == running {
				n.inst.start()
			}
			return true
		}
	case !graph.Equal(n.inst.args, args):
		err = n.inst.update(args)
	default:
		n.inst.fine()
	}
	if err != nil {
		n.inst.fail(err.Error())
		p.log.Warn("component cannot take its arguments", "component", n.id, "err", err)
	}
	return false
}

// notBuilt returns the ID of a component that n reads, through modules, and
// that is not built; "" if all are.
func (p *Pipeline) notBuilt(n *node) string {
	for _, r := range n.reads {
		if r.inst != nil {
			if !r.inst.built {
				return r.id
			}
		} else if id := p.notBuilt(r); id != "" {
			return id
		}
	}
	return ""
}

// restage loads the sources again, since their structure depends on values
// that have changed. If that fails, what runs goes on, and the blocks that make
// the structure say why they are not healthy.
func (p *Pipeline) restage() {
	err := p.loadLocked(p.sources)
	if err == nil {
		return
	}
	p.log.Error("cannot follow a change of the modules", "err", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.tree.nodes {
		if n.Role == graph.Import {
			n.inst.problem = component.Health{State: component.Unhealthy, Message: err.Error(), Since: time.Now()}
		}
		if n.Role == graph.Foreach {
			n.health = err.Error()
		}
	}
}
