package graph

import (
	"maps"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// references finds what the expressions of n refer to.
func (p *planner) references(n *Node) {
	b := n.Block
	if n.Role == Foreach {
		b = Without(b, "template")
	}
	seen := map[string]bool{}
	for _, c := range chains(b.Body) {
		ref, ok := p.resolve(n.Module, c)
		if !ok || ref.To == nil {
			continue
		}
		n.after(ref.To)
		if !seen[c.String()] {
			n.Refs = append(n.Refs, ref)
		}
		seen[c.String()] = true
	}
}

// resolve finds the node that c speaks of. A name of the language or of a
// variable resolves to no node.
func (p *planner) resolve(m *Module, c chain) (Ref, bool) {
	if slices.Contains(m.vars, c.names[0]) {
		return Ref{}, true
	}
	for s := m; s != nil; s = s.parent {
		for i := 1; i <= len(c.names); i++ {
			if n := s.byID[strings.Join(c.names[:i], ".")]; n != nil {
				ref := Ref{To: n, Path: c.names[i:]}
				return ref, p.usable(ref, c)
			}
		}
		if s.scope != templateScope {
			break
		}
	}
	if c.standard() {
		return Ref{}, p.settled(c)
	}
	p.at(c.start, c.end, "%q does not exist%s", c, m.meant(c))
	return Ref{}, false
}

// settled reports whether a name of the standard library may be used.
func (p *planner) settled(c chain) bool {
	if !stdlib.IsStdlibExperimental(c.String()) || p.level == component.Experimental {
		return true
	}
	p.at(c.start, c.end, "%s is experimental; to use it, start with --stability.level=experimental", c)
	return false
}

// meant suggests the node or export that c might have meant.
func (m *Module) meant(c chain) string {
	var ids []string
	for s := m; s != nil; s = s.parent {
		for _, id := range s.unknown {
			if strings.HasPrefix(c.String()+".", id+".") {
				return ", since the component is unknown"
			}
		}
		for id, n := range s.byID {
			if n.Role == Component || n.Role == Custom || n.Role == Argument {
				ids = append(ids, id)
			}
		}
		if s.scope != templateScope {
			break
		}
	}
	for i := len(c.names); i > 0; i-- {
		if s := didYouMean(strings.Join(c.names[:i], "."), ids); s != "" {
			return s
		}
	}
	return "; name a component as <component>.<label>.<export>"
}

// usable reports whether ref refers to something that has a value.
func (p *planner) usable(ref Ref, c chain) bool {
	var names []string
	switch n := ref.To; n.Role {
	case Component:
		s, known := schemaOf(n.Kind.Exports)
		if !known {
			p.at(c.start, c.end, "%s exports nothing that can be referred to", n.ID())
			return false
		}
		names = s.names()
	case Argument:
		names = []string{"value"}
	case Custom:
		if n.Declare == nil || n.Declare.Body == nil {
			return true // an import, which is not there yet; or a mistake that is reported
		}
		names = n.Declare.Body.exports()
	default:
		p.at(c.start, c.end, "%s exports nothing that can be referred to", n.ID())
		return false
	}
	if len(ref.Path) == 0 || slices.Contains(names, ref.Path[0]) {
		return true
	}
	slices.Sort(names)
	hint := didYouMean(ref.Path[0], names)
	if hint == "" {
		hint = "; there is " + strings.Join(names, ", ")
	}
	if len(names) == 0 {
		hint = ""
	}
	p.at(c.start, c.end, "%s has no export %q%s", ref.To.ID(), ref.Path[0], hint)
	return false
}

// CheckCall compares the body of b, an instance of a declare block, with the
// arguments that the declare block's body takes.
func CheckCall(b *ast.BlockStmt, body *Module) diag.Diagnostics {
	var p problems
	takes := map[string]bool{} // name -> required
	for _, n := range body.byID {
		if n.Role == Argument {
			optional, _ := Value(orFalse(attribute(n.Block, "optional")), nil)
			takes[n.Label] = optional != true
		}
	}
	seen := map[string]bool{}
	for _, stmt := range b.Body {
		switch stmt := stmt.(type) {
		case *ast.BlockStmt:
			p.header(stmt, "unknown block %q; a module takes arguments only", stmt.GetBlockName())
		case *ast.AttributeStmt:
			name := stmt.Name.Name
			if _, known := takes[name]; !known {
				names := slices.Collect(maps.Keys(takes))
				p.node(stmt.Name, "unknown argument %q%s", name, didYouMean(name, names))
				seen[nearest(name, names)] = true // not missing, but misspelt
			} else if seen[name] {
				p.node(stmt.Name, "argument %q is given twice; remove one", name)
			}
			seen[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(takes)) {
		if takes[name] && !seen[name] {
			p.header(b, "%s needs the argument %q; add %s = …", title(b), name, name)
		}
	}
	return p.list
}

// orFalse returns expr, or an empty list where there is none.
func orFalse(expr ast.Expr) ast.Expr {
	if expr == nil {
		return &ast.ArrayExpr{}
	}
	return expr
}
