package graph

import (
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"
	"github.com/grafana/alloy/syntax/vm"
)

// A chain is a name with the fields that are taken from it: a.b.c.
type chain struct {
	names      []string
	start, end token.Pos
}

func (c chain) String() string { return strings.Join(c.names, ".") }

// stdlib knows which names the language itself defines.
var stdlib = (*vm.Scope)(nil)

// standard reports whether c is a name of the standard library.
func (c chain) standard() bool { return stdlib.IsStdlibIdentifiers(c.names[0]) }

// chains returns the names that are used in n, in the order of the text. Of
// a.b[c.d].e it returns a.b and c.d.
func chains(n ast.Node) []chain {
	var found chainFinder
	ast.Walk(&found, n)
	return found.list
}

type chainFinder struct{ list []chain }

// Visit takes a whole chain where there is one, and looks deeper elsewhere.
func (f *chainFinder) Visit(n ast.Node) ast.Visitor {
	expr, ok := n.(ast.Expr)
	if !ok {
		return f
	}
	names, ok := chainOf(expr)
	if !ok {
		return f
	}
	f.list = append(f.list, chain{names: names, start: ast.StartPos(expr), end: ast.EndPos(expr)})
	return nil
}

// chainOf returns the names of an expression a.b.c, or false for any other.
func chainOf(expr ast.Expr) ([]string, bool) {
	var names []string
	for {
		switch e := expr.(type) {
		case *ast.IdentifierExpr:
			names = append(names, e.Ident.Name)
			slices.Reverse(names)
			return names, true
		case *ast.AccessExpr:
			names = append(names, e.Name.Name)
			expr = e.Value
		default:
			return nil, false
		}
	}
}

// constant reports whether expr uses no names but those of the language.
func constant(expr ast.Expr) bool {
	for _, c := range chains(expr) {
		if !c.standard() {
			return false
		}
	}
	return true
}

// literals returns the string literals in n, in the order of the text.
func literals(n ast.Node) []*ast.LiteralExpr {
	var found literalFinder
	ast.Walk(&found, n)
	return found.list
}

type literalFinder struct{ list []*ast.LiteralExpr }

// Visit notes each string literal.
func (f *literalFinder) Visit(n ast.Node) ast.Visitor {
	if lit, ok := n.(*ast.LiteralExpr); ok && lit.Kind == token.STRING {
		f.list = append(f.list, lit)
	}
	return f
}
