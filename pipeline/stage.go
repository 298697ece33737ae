package pipeline

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/graph"
)

// A stage evaluates a configuration and builds what is new in it, without
// touching what runs. It makes a tree and a list of updates, which the commit
// puts into force, or diagnostics.
//
// It goes through the modules depth first, in the order of evaluation: where it
// comes to an import block, it reads the file; where it comes to an instance of
// a declare block, it stages the inside before it goes on. So by the time that
// a node is evaluated, everything that it reads has a value.
//
// New components are built as they are reached, since what refers to them is
// evaluated with what they export when they are built. That is harmless:
// building starts nothing. Those that live on are evaluated with what they
// export now; if their update makes them export something else, settle follows.
type stage struct {
	p     *Pipeline
	dry   bool // build nothing: for Validate
	tree  *tree
	texts map[string][]byte // text of every file, imported ones included
	ds    diag.Diagnostics

	body    map[string][]byte // the files of the configuration itself
	failed  map[*node]bool    // in error: what reads them waits, as if for an export
	built   []*instance       // to be forgotten if the load fails
	updates []update
}

// An update is to be made by the commit.
type update struct {
	n    *node
	args any
}

func (p *Pipeline) newStage(sources map[string][]byte) *stage {
	return &stage{
		p: p, tree: newTree(), texts: maps.Clone(sources), body: sources, failed: map[*node]bool{},
	}
}

// root stages the whole configuration. A text that does not parse says nothing
// about the rest. A plan with mistakes is evaluated all the same, so that the
// mistakes in arguments are reported in one go with those in structure.
func (s *stage) root() {
	body, ds := graph.Parse(names(s.body), s.body)
	if s.ds.Merge(ds); len(s.ds) > 0 {
		return
	}
	plan, ds := s.p.lang.Root(body)
	s.ds.Merge(ds)
	s.module(&frame{plan: plan, path: s.p.modulePath(s.body)})
}

// modulePath is the directory of the configuration.
func (p *Pipeline) modulePath(sources map[string][]byte) string {
	if p.cfg.Path != "" || len(sources) == 0 {
		return p.cfg.Path
	}
	return filepath.Dir(names(sources)[0])
}

// module evaluates the nodes of f in order. What reads a node that is in error
// is treated as if that had exported nothing yet: only what is wrong whatever
// the export will be is reported, since the rest would repeat the first error.
func (s *stage) module(f *frame) {
	f.nodes = map[*graph.Node]*node{}
	for _, plan := range f.plan.Nodes {
		n := &node{Node: plan, id: join(f.id, plan.ID()), frame: f}
		f.nodes[plan] = n
		if plan.Unsound {
			s.fail(n)
			continue
		}
		n.reads = reads(n)
		s.tree.add(n)
		n.pending = s.waitsFor(n)
		before, start := len(s.ds), time.Now()
		s.evaluate(n)
		if len(n.under) == 0 { // or it would count those inside again
			s.p.metrics.evaluated(n.id, time.Since(start))
		}
		if len(s.ds) > before {
			s.fail(n)
		}
	}
}

// fail notes that n is in error.
func (s *stage) fail(n *node) { s.failed[n], n.pending = true, n.id }

// reads returns the nodes whose values n uses. What n takes from a module is
// read from the module's export blocks; what a module takes, its argument
// blocks read from the node that instantiates it.
func reads(n *node) []*node {
	var out []*node
	add := func(r *node) {
		if r != nil && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	if n.Role == graph.Argument {
		add(n.frame.call)
	}
	for _, ref := range n.Refs {
		to := n.frame.find(ref.To)
		exports := to.exportNodes()
		if exports == nil {
			add(to)
		}
		for _, name := range slices.Sorted(maps.Keys(exports)) {
			if len(ref.Path) == 0 || ref.Path[0] == name {
				add(exports[name])
			}
		}
	}
	if n.From != nil {
		add(n.frame.find(n.From))
	}
	return out
}

// waitsFor returns the ID of a node that has to be there before n can be, or
// "" if all of them are.
func (s *stage) waitsFor(n *node) string {
	for _, r := range n.reads {
		if s.failed[r] || r.pending != "" && (r.inst == nil || !r.inst.built) {
			return r.id
		}
	}
	return ""
}

// evaluate evaluates n, whose reads are evaluated. Of a node whose structure is
// wrong, what is left is examined.
func (s *stage) evaluate(n *node) {
	if graph.Reported(n.Block, s.ds) {
		ds := n.Examine(s.p.vars(n), s.ds)
		ds.Merge(s.types(n))
		s.problem(n, ds)
		s.fail(n)
		return
	}
	switch n.Role {
	case graph.Component, graph.Import:
		s.component(n)
	case graph.Custom:
		s.custom(n)
	case graph.Foreach:
		s.foreach(n)
	default:
		value, ds := s.p.valueOf(n)
		s.problem(n, ds)
		n.value = value
	}
}

// problem reports ds, unless they may come from exports that are not there
// yet: then n waits for them, and only what they do not mend is reported.
func (s *stage) problem(n *node, ds diag.Diagnostics) {
	if len(ds) == 0 {
		return
	}
	if n.pending == "" {
		if n.pending = s.p.unexported(n, s.dry); n.pending != "" {
			n.health = ds[0].Message
		}
	}
	if n.pending != "" {
		ds = slices.DeleteFunc(ds, func(d diag.Diagnostic) bool { return !lasting(d) && n.Depends(d) })
	}
	s.ds.Merge(ds)
}

// lasting reports whether d is about types, which values to come do not mend.
func lasting(d diag.Diagnostic) bool {
	return strings.Contains(d.Message, "should be ") || strings.Contains(d.Message, "is a secret")
}

// component evaluates the arguments of a component, and builds it if it is new.
func (s *stage) component(n *node) {
	old := s.p.alive(n)
	if n.inst = old; old == nil {
		n.inst = s.p.newInstance(n)
	}
	args, ds := graph.Decode(n.Block, n.Kind.Arguments, s.p.vars(n))
	ds.Merge(s.types(n))
	if s.problem(n, ds); len(ds) > 0 || n.pending != "" {
		return
	}
	switch {
	case s.dry:
	case old == nil:
		s.build(n, args)
	case !graph.Equal(old.args, args):
		s.updates = append(s.updates, update{n, args})
	}
	if n.Role == graph.Import {
		s.library(n, args)
	}
}

// types checks the arguments of n against the types of exports that are not
// there yet.
func (s *stage) types(n *node) diag.Diagnostics {
	if n.Kind.Arguments == nil || s.p.unexported(n, s.dry) == "" {
		return nil
	}
	vars := s.p.vars(n)
	for _, ref := range n.Refs {
		if to := n.frame.find(ref.To); to.Role == graph.Component && (s.dry || to.inst == nil || !s.p.hasExported(to.inst)) {
			put(vars, to.Node.ID(), sample(to.Kind.Exports))
		}
	}
	ds := graph.Attempt(n.Block, n.Kind.Arguments, vars)
	return slices.DeleteFunc(ds, func(d diag.Diagnostic) bool { return !lasting(d) })
}

// build builds a component that is new.
func (s *stage) build(n *node, args any) {
	if gone := s.p.leaving[n.id]; gone != nil && !gone.joined(leaveGrace) {
		s.ds.Merge(graph.At(n.Block, "%s: the component that had this name is still stopping; try again", n.id))
		return
	}
	if err := n.inst.build(args); err != nil {
		s.ds.Merge(graph.At(n.Block, "%s: %v", n.ID(), err))
		return
	}
	s.built = append(s.built, n.inst)
}

// leaveGrace is how long a load waits for a removed component to end, before
// it starts new ones.
const leaveGrace = 5 * time.Second

// custom evaluates the arguments of a custom component and stages its module.
func (s *stage) custom(n *node) {
	body, outer, path, ok := s.definition(n)
	if !ok {
		return
	}
	value, ds := s.p.valueOf(n)
	if s.problem(n, ds); len(ds) > 0 && n.pending == "" {
		return
	}
	n.value = value
	f := &frame{plan: body, id: n.id, path: path, outer: outer, call: n}
	n.under = []*frame{f}
	s.module(f)
}

// definition finds the module that n instantiates, where it is written, and its
// module_path. It is not ok if n waits for an import, or is a mistake; then
// that has been reported.
func (s *stage) definition(n *node) (body *graph.Module, outer *frame, path string, ok bool) {
	if n.Declare != nil {
		outer = n.frame.of(n.Declare.Scope)
		return n.Declare.Body, outer, outer.path, true
	}
	from := n.frame.find(n.From)
	if len(from.under) == 0 {
		n.pending = from.id
		return nil, nil, "", false
	}
	lib := from.under[0]
	_, name := graph.Split(n.Name)
	d := lib.plan.Declare(name)
	if d == nil {
		s.ds.Merge(graph.At(n.Block, "%s declares no %q%s", from.ID(), name, lib.plan.DeclareNames(name)))
		return nil, nil, "", false
	}
	if ds := graph.CheckCall(n.Block, d.Body); len(ds) > 0 {
		s.ds.Merge(ds)
		return nil, nil, "", false
	}
	return d.Body, lib, lib.path, true
}

// valueOf evaluates a node that is no component: for a block of the collector,
// its arguments; for an argument or export block, the value that it passes on;
// for a custom component, its arguments by name.
func (p *Pipeline) valueOf(n *node) (any, diag.Diagnostics) {
	switch n.Role {
	case graph.Config:
		return graph.Decode(n.Block, n.Kind.Arguments, p.vars(n))
	case graph.Argument:
		return p.argument(n)
	case graph.Export:
		return graph.Value(n.Block.Body[0].(*ast.AttributeStmt).Value, p.vars(n))
	}
	args := map[string]any{}
	var all diag.Diagnostics
	vars := p.vars(n)
	for _, stmt := range n.Block.Body {
		if a, ok := stmt.(*ast.AttributeStmt); ok {
			value, ds := graph.Value(a.Value, vars)
			all.Merge(ds)
			args[a.Name.Name] = value
		}
	}
	return args, all
}

// argument returns what was passed for the argument block n, or its default.
func (p *Pipeline) argument(n *node) (any, diag.Diagnostics) {
	passed, _ := p.value(n.frame.call).(map[string]any)
	if v, ok := passed[n.Label]; ok {
		return v, nil
	}
	args, ds := graph.Decode(n.Block, argumentArguments, p.vars(n))
	if len(ds) > 0 {
		return nil, ds
	}
	return args.(graph.ArgumentArguments).Default, nil
}

var argumentArguments = reflect.TypeFor[graph.ArgumentArguments]()

// vars returns what the expressions of n may use.
func (p *Pipeline) vars(n *node) graph.Vars {
	vars := n.frame.variables()
	for _, ref := range n.Refs {
		put(vars, ref.To.ID(), p.exports(n.frame.find(ref.To)))
	}
	return vars
}

// discard takes back what the stage has built.
func (s *stage) discard() {
	for _, inst := range s.built {
		inst.registry.clear()
	}
}

// library evaluates an imported file.
func (s *stage) library(n *node, args any) {
	content, ok := s.content(n, args)
	if !ok {
		return
	}
	maps.Copy(s.texts, content.files)
	body, ds := graph.Parse(names(content.files), content.files)
	if s.ds.Merge(ds); len(ds) > 0 {
		return
	}
	plan, ds := s.p.lang.Library(body)
	s.ds.Merge(ds)
	path := content.path
	if path == "" {
		path = n.frame.path
	}
	f := &frame{plan: plan, id: n.id, path: path}
	n.under = []*frame{f}
	s.module(f)
}

// content returns what n imports; false if nothing is there yet. What can be
// read at once is read anew by each load, so that a load follows a file that
// has changed; what comes over the network is what the import block has.
func (s *stage) content(n *node, args any) (imported, bool) {
	if f, ok := args.(fetcher); ok {
		content, err := f.fetch()
		if err != nil {
			s.ds.Merge(graph.At(n.Block, "%s: %v", n.ID(), err))
			return imported{}, false
		}
		return content.called(n.id), s.arrived(n, content)
	}
	content, _ := s.p.exports(n).(imported)
	return content.called(n.id), s.arrived(n, content)
}

// arrived reports whether n has imported something; if not, n waits for it.
func (s *stage) arrived(n *node, content imported) bool {
	if len(content.files) > 0 {
		return true
	}
	n.pending, n.health = n.id, "nothing is imported yet"
	return false
}
