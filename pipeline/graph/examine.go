package graph

import (
	"reflect"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/token"
)

// Examine evaluates the body of b part by part, as a value of struct type t, and
// returns everything that is wrong with it: first each argument by itself, then
// each nested block as a whole, then b. A part in which something is wrong is
// not judged as a whole, since that would only repeat it. What known is about
// counts as wrong, and is not evaluated again.
//
// With t nil, b takes any arguments, and each is a plain value.
func Examine(b *ast.BlockStmt, t reflect.Type, vars Vars, known diag.Diagnostics) diag.Diagnostics {
	x := examiner{vars: vars, known: known}
	x.body(b, t)
	return x.found
}

// Examine returns what is wrong with n's block beyond what known says. Of a
// foreach, the template is not looked at.
func (n *Node) Examine(vars Vars, known diag.Diagnostics) diag.Diagnostics {
	if n.Role == Foreach {
		return Examine(Without(n.Block, "template"), reflect.TypeFor[ForeachArguments](), vars, known)
	}
	return Examine(n.Block, typeOf(n), vars, known)
}

// Depends reports whether what d is about, an argument or a nested block of n,
// refers to another node: then a value that is still to come may mend it.
func (n *Node) Depends(d diag.Diagnostic) bool {
	if len(n.Refs) == 0 {
		return false
	}
	inner := innermost(n.Block, d)
	return slices.ContainsFunc(chains(inner), func(c chain) bool {
		return slices.ContainsFunc(n.Refs, func(r Ref) bool {
			return c.String() == strings.Join(append([]string{r.To.ID()}, r.Path...), ".")
		})
	})
}

// innermost returns the argument or block in b that d is about, or b.
func innermost(b *ast.BlockStmt, d diag.Diagnostic) ast.Node {
	for _, stmt := range b.Body {
		if !Reported(stmt, diag.Diagnostics{d}) {
			continue
		}
		if inner, ok := stmt.(*ast.BlockStmt); ok {
			return innermost(inner, d)
		}
		return stmt
	}
	return b.Body
}

// Reported reports whether one of ds is about something in n.
func Reported(n ast.Node, ds diag.Diagnostics) bool {
	from, to := position(ast.StartPos(n)), position(ast.EndPos(n))
	return slices.ContainsFunc(ds, func(d diag.Diagnostic) bool {
		at := d.StartPos
		return at.Filename == from.Filename && at.Offset >= from.Offset && at.Offset <= to.Offset
	})
}

// An examiner collects what is wrong with one block.
type examiner struct {
	vars         Vars
	known, found diag.Diagnostics
}

// body examines b. Only if every part of it is good, its validation is asked.
func (x *examiner) body(b *ast.BlockStmt, t reflect.Type) {
	before := len(x.found)
	s, _ := schemaOf(t)
	for _, stmt := range b.Body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			x.attr(s, stmt, t == nil)
		case *ast.BlockStmt:
			if e, ok := s.blocks[stmt.GetBlockName()]; ok {
				x.body(stmt, e.typ)
			}
		}
	}
	t = element(t)
	if len(x.found) > before || t == nil || t.Kind() != reflect.Struct || Reported(b, x.known) {
		return
	}
	for _, err := range flatten(run(b.Body, reflect.New(t).Interface(), x.vars)) {
		start, end := offender(b, err.Error())
		x.found.Merge(clarify(err, start, end))
	}
}

// attr examines one argument; of a block with plain values if plain is true.
func (x *examiner) attr(s schema, a *ast.AttributeStmt, plain bool) {
	e, ok := s.attrs[a.Name.Name]
	switch {
	case Reported(a, x.known):
	case plain:
		_, ds := Value(a.Value, x.vars)
		x.found.Merge(ds)
	case ok:
		x.found.Merge(attempt(a.Value, e.typ, x.vars))
	}
}

// flatten returns the errors that err joins, or err itself; none for nil.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// offender returns the text in b that message, of a validation, is about: the
// argument, or else the nested block, whose name is in the message; or else a
// text that is quoted in it; or else the header of b. Of several, it is the one
// that fits best, then the one that is nested least, then the first.
func offender(b *ast.BlockStmt, message string) (start, end token.Pos) {
	c := candidate{start: b.NamePos, end: headerEnd(b)}
	words := strings.FieldsFunc(message, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`,:;().=>", r) })
	for level := []*ast.BlockStmt{b}; len(level) > 0; {
		var next []*ast.BlockStmt
		for _, outer := range level {
			for _, stmt := range outer.Body {
				c.improve(stmt, words, message)
				if inner, ok := stmt.(*ast.BlockStmt); ok {
					next = append(next, inner)
				}
			}
		}
		level = next
	}
	return c.start, c.end
}

// A candidate is the text that fits a message best of those seen so far.
type candidate struct {
	start, end token.Pos
	score      int
}

// How well a text fits a message. An argument that refers to something comes
// first of those that are named: if a message speaks of two, the constant one
// is not what is to blame for a value that is still to come.
const (
	quotedOnly = iota + 1
	namedBlock
	namedArgument
	namedAndQuoted
	namedAndReferring
)

// improve takes stmt instead, if that fits better.
func (c *candidate) improve(stmt ast.Stmt, words []string, message string) {
	switch stmt := stmt.(type) {
	case *ast.BlockStmt:
		if slices.Contains(words, stmt.GetBlockName()) {
			c.take(namedBlock, stmt.NamePos, headerEnd(stmt))
		}
	case *ast.AttributeStmt:
		named := slices.Contains(words, stmt.Name.Name)
		quoted := quotedLiteral(stmt.Value, message)
		start, end := ast.StartPos(stmt.Value), ast.EndPos(stmt.Value)
		switch {
		case named && !constant(stmt.Value):
			c.take(namedAndReferring, start, end)
		case named && quoted != nil:
			c.take(namedAndQuoted, ast.StartPos(quoted), ast.EndPos(quoted))
		case named:
			c.take(namedArgument, start, end)
		case quoted != nil:
			c.take(quotedOnly, ast.StartPos(quoted), ast.EndPos(quoted))
		}
	}
}

// take makes the text from start to end the candidate if its score is higher.
func (c *candidate) take(score int, start, end token.Pos) {
	if score > c.score {
		c.score, c.start, c.end = score, start, end
	}
}

// quotedLiteral returns the first string literal in expr that message quotes,
// or nil.
func quotedLiteral(expr ast.Expr, message string) ast.Node {
	for _, lit := range literals(expr) {
		if len(lit.Value) <= 2 {
			continue
		}
		text := lit.Value[1 : len(lit.Value)-1]
		if strings.Contains(message, `"`+text+`"`) || strings.Contains(message, "`"+text+"`") {
			return lit
		}
	}
	return nil
}
