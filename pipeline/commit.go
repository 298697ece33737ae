package pipeline

import (
	"slices"
	"time"

	"github.com/divvy-collector/divvy/pipeline/graph"
)

// commit makes what s has staged the configuration that runs. If something
// refuses, everything is as it was, and s.ds says why. The caller holds turn.
//
// The order keeps what is on its way: first those that live on learn of the
// new ones, then the new sinks start, then the old ones end, the sources among
// them first, and at last the new sources start.
func (p *Pipeline) commit(s *stage) {
	var undo []func()
	blocks := p.stagedBlocks(s)
	ok := p.applyBlocks(s, blocks, &undo) && p.updateAll(s, &undo)
	if !ok {
		for _, f := range slices.Backward(undo) {
			f()
		}
		return
	}
	for name, staged := range blocks {
		p.applied[name] = staged.args
	}
	p.mu.Lock()
	old := p.tree
	p.tree, p.ready = s.tree, true
	p.mu.Unlock()
	s.markHealth()
	p.start(true)
	p.retire(old)
	p.start(false)
}

// start starts the components that are new: those that others refer to if
// referred is true, all others if not. What is referred to may be sent to from
// now on, so it starts before anything is stopped. What nobody refers to
// starts after that: it might listen where a removed one still does, or fetch
// what that one still fetches.
func (p *Pipeline) start(referred bool) {
	if p.phase != running {
		return
	}
	for _, n := range p.tree.nodes {
		if n.inst != nil && len(p.tree.dependants[n]) > 0 == referred {
			n.inst.start()
		}
	}
}

// A stagedBlock is what a block of the collector is to be set to.
type stagedBlock struct {
	n    *node // nil if the block is not given
	args any
}

// stagedBlocks returns the arguments of every block of the collector.
func (p *Pipeline) stagedBlocks(s *stage) map[string]stagedBlock {
	staged := map[string]stagedBlock{}
	for _, b := range p.cfg.Blocks {
		staged[b.Name] = stagedBlock{args: b.defaults()}
	}
	for _, n := range s.tree.nodes {
		if n.Role == graph.Config && n.pending == "" {
			staged[n.Name] = stagedBlock{n, n.value}
		}
	}
	return staged
}

// applyBlocks applies the blocks that differ from what is applied.
func (p *Pipeline) applyBlocks(s *stage, staged map[string]stagedBlock, undo *[]func()) bool {
	for _, b := range p.cfg.Blocks {
		want := staged[b.Name]
		last, known := p.applied[b.Name]
		if known && graph.Equal(last, want.args) {
			continue
		}
		if err := b.apply(want.args); err != nil {
			s.refused(want.n, b.Name, err)
			return false
		}
		if known {
			*undo = append(*undo, func() { p.restore(b.Name, b.apply(last)) })
		}
	}
	return true
}

// updateAll updates the components whose arguments have changed.
func (p *Pipeline) updateAll(s *stage, undo *[]func()) bool {
	for _, u := range s.updates {
		inst, last := u.n.inst, u.n.inst.args
		if err := inst.update(u.args); err != nil {
			s.refused(u.n, u.n.ID(), err)
			return false
		}
		*undo = append(*undo, func() { p.restore(inst.id, inst.update(last)) })
	}
	return true
}

// restore logs that what was in force could not be put in force again.
func (p *Pipeline) restore(what string, err error) {
	if err != nil {
		p.log.Error("cannot go back to the last configuration", "component", what, "err", err)
	}
}

// refused reports that a component or block has refused its arguments.
func (s *stage) refused(n *node, what string, err error) {
	if n == nil {
		s.ds = append(s.ds, diagnostic(what+": "+err.Error()))
		return
	}
	s.ds.Merge(graph.At(n.Block, "%s: %v", what, err))
}

// markHealth says, of what waits, what it waits for.
func (s *stage) markHealth() {
	for _, n := range s.tree.nodes {
		switch {
		case n.inst == nil:
		case n.pending != "":
			n.inst.fail(waiting(n))
		default:
			n.inst.fine()
		}
	}
}

// waiting is the health message of a node that waits.
func waiting(n *node) string {
	if n.health != "" {
		return "waiting for " + n.pending + ": " + n.health
	}
	return "waiting for " + n.pending
}

// retire stops what is in old and not in the tree that runs, and waits for it
// a little. What takes longer, such as a sink that delivers what it has, ends
// in the background: it is joined by a later load that needs its name, or by
// Run before it returns.
func (p *Pipeline) retire(old *tree) {
	if old == nil {
		return
	}
	kept := map[*instance]bool{}
	for _, n := range p.tree.nodes {
		kept[n.inst] = true
	}
	gone := map[*node]bool{}
	for _, n := range old.nodes {
		if n.inst != nil && !kept[n.inst] {
			gone[n] = true
			p.leaving[n.id] = n.inst
		}
	}
	if len(gone) > 0 {
		p.stopAll(old, func(n *node) bool { return gone[n] }, time.After(leaveGrace))
	}
	for id, inst := range p.leaving {
		if inst.joined(0) {
			delete(p.leaving, id)
		}
	}
}
