package graph

import (
	"maps"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A planner plans the modules of one text. Every module shares its problems.
type planner struct {
	*Language
	*problems
	stack []*Declare // being planned, the outermost first
}

// module plans one body, and the declare blocks in it: first the names of
// custom components, since blocks may use them before they are defined; then
// the blocks; then what they refer to; then their order.
func (p *planner) module(body ast.Body, parent *Module, s scope, vars ...string) *Module {
	m := &Module{
		scope: s, parent: parent, vars: append(vars, "module_path"),
		byID: map[string]*Node{}, declares: map[string]*Declare{}, imports: map[string]*Node{},
	}
	if parent != nil && s == templateScope {
		m.vars = append(m.vars, parent.vars...)
	}
	var blocks []*ast.BlockStmt
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			p.node(stmt.Name, "argument %q stands outside of every block; move it into the block that it is for", stmt.Name.Name)
		case *ast.BlockStmt:
			if !p.definition(m, stmt) {
				blocks = append(blocks, stmt)
			}
		}
	}
	for _, d := range slices.SortedFunc(maps.Values(m.declares), bySource) {
		p.declare(d)
	}
	for _, b := range blocks {
		p.block(m, b)
	}
	nodes := slices.SortedFunc(maps.Values(m.byID), func(a, b *Node) int { return compareBlocks(a.Block, b.Block) })
	for _, n := range nodes {
		p.references(n)
	}
	p.order(m, nodes)
	return m
}

func bySource(a, b *Declare) int { return compareBlocks(a.Block, b.Block) }

// compareBlocks orders blocks as they are written.
func compareBlocks(a, b *ast.BlockStmt) int {
	x, y := position(a.NamePos), position(b.NamePos)
	if c := strings.Compare(x.Filename, y.Filename); c != 0 {
		return c
	}
	return x.Offset - y.Offset
}

// definition adds b to m if it defines names of blocks: declare and import.
func (p *planner) definition(m *Module, b *ast.BlockStmt) bool {
	name := b.GetBlockName()
	kind, isImport := p.imports[name]
	if name != "declare" && !isImport {
		return false
	}
	c := checker{p.problems}
	switch {
	case m.scope == templateScope:
		p.header(b, "%s cannot stand in a template; move it out of foreach", title(b))
	case !c.validLabel(b):
	case p.namespaced(b.Label):
		p.header(b, "the name %q is taken by the language; choose another label", b.Label)
	case m.declares[b.Label] != nil:
		p.twice(b, m.declares[b.Label].Block)
	case m.imports[b.Label] != nil:
		p.twice(b, m.imports[b.Label].Block)
	case isImport:
		n := &Node{Role: Import, Name: name, Label: b.Label, Block: b, Kind: kind, Module: m}
		c.body(b, kind.Arguments)
		m.byID[n.ID()], m.imports[b.Label] = n, n
	default:
		m.declares[b.Label] = &Declare{Name: b.Label, Block: b, Scope: m}
	}
	return true
}

// twice reports that b defines again what other defines.
func (p *planner) twice(b, other *ast.BlockStmt) {
	p.header(b, "%s is defined twice; the other is at %s", title(b), position(other.NamePos))
}

// declare plans the body of d, once.
func (p *planner) declare(d *Declare) {
	if d.Body != nil || d.planning {
		return
	}
	d.planning = true
	p.stack = append(p.stack, d)
	d.Body = p.module(d.Block.Body, d.Scope, declareScope)
	p.stack = p.stack[:len(p.stack)-1]
	d.planning = false
}

// block adds b to m as a node.
func (p *planner) block(m *Module, b *ast.BlockStmt) {
	n := p.classify(m, b)
	if n == nil {
		return
	}
	if other := m.byID[n.ID()]; other != nil {
		p.twice(b, other.Block)
		return
	}
	if t := typeOf(n); t != nil {
		checker{p.problems}.body(b, t)
	}
	m.byID[n.ID()] = n
	switch n.Role {
	case Custom:
		p.custom(n)
	case Foreach:
		p.foreach(n)
	}
}

// classify decides what b is by its name and by where it stands, or reports why
// it is nothing. The order of the cases is the order of precedence: a custom
// component never hides one of the language.
func (p *planner) classify(m *Module, b *ast.BlockStmt) *Node {
	name := b.GetBlockName()
	n := &Node{Name: name, Label: b.Label, Block: b, Module: m}
	kind, isKind := p.kinds[name]
	config, isConfig := p.blocks[name]
	switch {
	case m.scope == libraryScope:
		p.header(b, "%s stands in an imported file, which may have declare and import blocks only", title(b))
		return nil
	case name == "argument" || name == "export":
		return p.boundary(n)
	case isConfig:
		return p.config(n, config)
	case name == "foreach":
		n.Role, n.Kind = Foreach, component.Kind{Name: name}
		isKind, kind = true, n.Kind
	case isKind:
		n.Role, n.Kind = Component, kind
	default:
		if n.Role = Custom; !p.findCustom(n) {
			p.unknown(m, b)
			return nil
		}
	}
	if isKind && kind.Stability < p.level {
		p.header(b, "%s is %s; to use it, start with --stability.level=%s", name, kind.Stability, kind.Stability)
		return nil
	}
	if !(checker{p.problems}).validLabel(b) {
		return nil
	}
	return n
}

// boundary makes n an argument or export of a module.
func (p *planner) boundary(n *Node) *Node {
	if n.Module.scope != declareScope {
		p.header(n.Block, "%s can stand in a declare block only", title(n.Block))
		return nil
	}
	if !(checker{p.problems}).validLabel(n.Block) {
		return nil
	}
	n.Role = Argument
	if n.Name == "export" {
		n.Role = Export
	}
	return n
}

// config makes n a block that sets up the collector.
func (p *planner) config(n *Node, kind component.Kind) *Node {
	switch {
	case n.Module.scope != rootScope:
		p.header(n.Block, "%s sets up the whole collector and cannot stand in a module; move it to the top level", title(n.Block))
		return nil
	case n.Label != "":
		p.header(n.Block, "%s takes no label; remove %q", n.Name, n.Label)
		return nil
	}
	n.Role, n.Kind = Config, kind
	return n
}

// unknown reports a block whose name means nothing in m.
func (p *planner) unknown(m *Module, b *ast.BlockStmt) {
	names := p.names()
	for s := m; s != nil; s = s.parent {
		names = slices.AppendSeq(names, maps.Keys(s.declares))
	}
	name := b.GetBlockName()
	near := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !alike(name, n) })
	hint := didYouMean(name, near)
	if hint == "" {
		hint = "; there is none in this build: remove the block, and what refers to it"
		if list := kin(name, names); len(list) > 0 {
			hint += ", or use one of " + strings.Join(list, ", ")
		}
	}
	p.header(b, "unknown component %q%s", name, hint)
	m.unknown = append(m.unknown, strings.Trim(name+"."+b.Label, "."))
}

// findCustom finds the declare or import block that n's name speaks of: "add"
// is a declare block of this or an enclosing module, "math.add" one of the file
// that the import block with the label "math" has imported. That is not known
// yet, so whether there is one is checked when it is.
func (p *planner) findCustom(n *Node) bool {
	label, declare := Split(n.Name)
	for s := n.Module; s != nil; s = s.parent {
		if label == "" && s.declares[declare] != nil {
			n.Declare = s.declares[declare]
			return true
		}
		if label != "" && s.imports[label] != nil && !strings.Contains(declare, ".") {
			n.From = s.imports[label]
			n.after(n.From)
			return true
		}
	}
	return false
}

// custom plans what n instantiates and checks its arguments. What a module
// uses of the modules around it has to be there before n.
func (p *planner) custom(n *Node) {
	if n.Declare == nil {
		return
	}
	if n.Declare.planning {
		n.Unsound = true
		p.recursion(n)
		return
	}
	p.declare(n.Declare)
	for _, o := range n.Declare.Body.Outer {
		n.after(o)
	}
	p.list.Merge(CheckCall(n.Block, n.Declare.Body))
}

// recursion reports that n instantiates a declare block that n is part of.
func (p *planner) recursion(n *Node) {
	var path []string
	for _, d := range p.stack[slices.Index(p.stack, n.Declare):] {
		path = append(path, d.Name)
	}
	path = append(path, n.Declare.Name)
	p.header(n.Block, "declare %q contains itself: %s; remove this block", n.Declare.Name, strings.Join(path, " → "))
}

// foreach plans the template of n.
func (p *planner) foreach(n *Node) {
	var template *ast.BlockStmt
	for _, stmt := range n.Block.Body {
		if b, ok := stmt.(*ast.BlockStmt); ok && b.GetBlockName() == "template" {
			template = b
		}
	}
	expr := attribute(n.Block, "var")
	if template == nil || expr == nil {
		return // reported by the checker
	}
	name, _ := Value(expr, nil)
	v, ok := name.(string)
	if !ok || !constant(expr) {
		p.node(expr, "var is the name by which the template refers to an item; write it as a string")
		return
	}
	n.Template = p.module(template.Body, n.Module, templateScope, v)
	for _, o := range n.Template.Outer {
		n.after(o)
	}
}

// after says that n is evaluated after o. Where o belongs to an enclosing
// module, whatever instantiates n's module comes after o, too: o is noted in
// the Outer of each module between the two.
func (n *Node) after(o *Node) {
	for m := n.Module; m != o.Module; m = m.parent {
		if m == nil {
			return
		}
		if !slices.Contains(m.Outer, o) {
			m.Outer = append(m.Outer, o)
		}
	}
	if !slices.Contains(n.After, o) {
		n.After = append(n.After, o)
	}
}
