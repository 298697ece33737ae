package graph

import (
	"maps"
	"reflect"
	"slices"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/scanner"
)

// A checker compares bodies with the types that they will be decoded to, as
// far as that is possible before anything is evaluated: names, what is missing,
// what is given twice, and the values of arguments that refer to nothing. These
// are evaluated on the spot, one by one, so that each gets its own message.
type checker struct{ *problems }

// body reports what block b has and a value of type t does not take, what is
// missing, and arguments with a constant value of the wrong type.
func (c checker) body(b *ast.BlockStmt, t reflect.Type) {
	s, known := schemaOf(t)
	if !known {
		return
	}
	seen := map[string]bool{}
	for _, stmt := range b.Body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			c.attr(s, stmt, seen)
		case *ast.BlockStmt:
			c.block(s, stmt, seen)
		}
	}
	c.missing(b, s, seen)
}

// attr checks one argument.
func (c checker) attr(s schema, a *ast.AttributeStmt, seen map[string]bool) {
	name := a.Name.Name
	e, known := s.attrs[name]
	_, isBlock := s.blocks[name]
	switch {
	case !known && isBlock:
		c.node(a.Name, `%q is a block; write %s { … } without "="`, name, name)
	case !known:
		c.node(a.Name, "unknown argument %q%s", name, didYouMean(name, s.names()))
		seen[nearest(name, s.names())] = true // not missing, but misspelt
	case seen[name]:
		c.node(a.Name, "argument %q is given twice; remove one", name)
	case constant(a.Value):
		c.list.Merge(attempt(a.Value, e.typ, nil))
	}
	seen[name] = true
}

// block checks one nested block.
func (c checker) block(s schema, b *ast.BlockStmt, seen map[string]bool) {
	name := b.GetBlockName()
	e, known := s.blocks[name]
	_, isAttr := s.attrs[name]
	switch {
	case !known && isAttr:
		c.header(b, "%q is an argument; write %s = …", name, name)
	case !known:
		c.header(b, "unknown block %q%s", name, didYouMean(name, s.names()))
		seen[nearest(name, s.names())] = true // not missing, but misspelt
	case seen[name] && !e.many:
		c.header(b, "block %q is given twice; it may be given once", name)
	default:
		c.label(b, e)
		c.body(b, e.typ)
	}
	seen[name] = true
}

// label checks the label of a nested block.
func (c checker) label(b *ast.BlockStmt, e entry) {
	s, known := schemaOf(e.typ)
	switch {
	case !known:
	case s.label && b.Label == "":
		c.header(b, `block %q needs a label; write %s "…" { … }`, b.GetBlockName(), b.GetBlockName())
	case !s.label && b.Label != "":
		c.header(b, "block %q takes no label; remove %q", b.GetBlockName(), b.Label)
	}
}

// missing reports required arguments and blocks that are not in seen.
func (c checker) missing(b *ast.BlockStmt, s schema, seen map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(s.attrs)) {
		if !seen[name] && !s.attrs[name].optional {
			c.header(b, "%s needs the argument %q; add %s = …", title(b), name, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.blocks)) {
		if !seen[name] && !s.blocks[name].optional && !s.blocks[name].many {
			c.header(b, "%s needs the block %q; add %s { … }", title(b), name, name)
		}
	}
}

// title is how messages call a block: its name and its label as it is written.
func title(b *ast.BlockStmt) string {
	if b.Label == "" {
		return b.GetBlockName()
	}
	return b.GetBlockName() + " " + `"` + b.Label + `"`
}

// validLabel reports a label that cannot be part of a name, and a missing one.
func (c checker) validLabel(b *ast.BlockStmt) bool {
	name := b.GetBlockName()
	switch {
	case b.Label == "":
		c.header(b, `%s needs a label; write %s "default" { … }`, name, name)
		return false
	case !scanner.IsValidIdentifier(b.Label):
		c.header(b, "label %q is not a name; use letters, digits and underscores, and begin with no digit", b.Label)
		return false
	}
	return true
}
