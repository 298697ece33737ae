package graph

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A Language says what the names of blocks mean. It is immutable and may be
// used by any number of goroutines.
type Language struct {
	kinds   map[string]component.Kind
	imports map[string]component.Kind
	blocks  map[string]component.Kind
	level   component.Stability
}

// Words are the names that a Language is made of.
type Words struct {
	Kinds   []component.Kind    // components
	Imports []component.Kind    // import blocks; named import.…
	Blocks  []component.Kind    // blocks that set up the collector; Name and Arguments count
	Level   component.Stability // the least settled kinds that may be used
}

// NewLanguage returns the language of the given words.
func NewLanguage(w Words) *Language {
	index := func(kinds []component.Kind) map[string]component.Kind {
		byName := make(map[string]component.Kind, len(kinds))
		for _, k := range kinds {
			byName[k.Name] = k
		}
		return byName
	}
	return &Language{kinds: index(w.Kinds), imports: index(w.Imports), blocks: index(w.Blocks), level: w.Level}
}

// Arguments of the blocks that the language itself defines.
type (
	// ForeachArguments are those of foreach, without the template.
	ForeachArguments struct {
		Collection    []any  `alloy:"collection,attr"`
		Var           string `alloy:"var,attr"`
		ID            string `alloy:"id,attr,optional"`
		HashStringID  bool   `alloy:"hash_string_id,attr,optional"`
		EnableMetrics bool   `alloy:"enable_metrics,attr,optional"`
	}

	// ArgumentArguments are those of argument.
	ArgumentArguments struct {
		Optional bool   `alloy:"optional,attr,optional"`
		Default  any    `alloy:"default,attr,optional"`
		Comment  string `alloy:"comment,attr,optional"`
	}

	foreachBlock struct {
		Arguments ForeachArguments `alloy:",squash"`
		Template  map[string]any   `alloy:"template,block"`
	}

	exportBlock struct {
		Value any `alloy:"value,attr"`
	}
)

// keywords are the blocks that the language itself defines.
var keywords = []string{"declare", "argument", "export", "foreach"}

// Root plans a whole configuration. The Module is good only if there are no
// diagnostics of severity error.
func (l *Language) Root(body ast.Body) (*Module, diag.Diagnostics) {
	return l.plan(body, rootScope)
}

// Library plans an imported file, which has declare and import blocks only.
func (l *Language) Library(body ast.Body) (*Module, diag.Diagnostics) {
	return l.plan(body, libraryScope)
}

func (l *Language) plan(body ast.Body, s scope) (*Module, diag.Diagnostics) {
	p := &planner{Language: l, problems: &problems{}}
	m := p.module(body, nil, s)
	return m, Sort(p.list)
}

// names returns every name that a block may have, for suggestions.
func (l *Language) names() []string {
	all := slices.Clone(keywords)
	for _, m := range []map[string]component.Kind{l.kinds, l.imports, l.blocks} {
		all = slices.AppendSeq(all, maps.Keys(m))
	}
	return all
}

// namespaced reports whether name is the first part of a component's name, or
// means something else already, so that no declare or import block may take it.
func (l *Language) namespaced(name string) bool {
	if slices.Contains(keywords, name) || name == "import" {
		return true
	}
	for _, m := range []map[string]component.Kind{l.kinds, l.blocks} {
		for full := range m {
			if first, _, _ := strings.Cut(full, "."); first == name {
				return true
			}
		}
	}
	return false
}

// attribute returns the expression of an argument of b, or nil.
func attribute(b *ast.BlockStmt, name string) ast.Expr {
	for _, stmt := range b.Body {
		if a, ok := stmt.(*ast.AttributeStmt); ok && a.Name.Name == name {
			return a.Value
		}
	}
	return nil
}

// Without returns b without its nested blocks called name.
func Without(b *ast.BlockStmt, name string) *ast.BlockStmt {
	out := *b
	out.Body = slices.Clone(b.Body)
	out.Body = slices.DeleteFunc(out.Body, func(s ast.Stmt) bool {
		inner, ok := s.(*ast.BlockStmt)
		return ok && inner.GetBlockName() == name
	})
	return &out
}

// typeOf is the type that a node's block is checked against; nil for none.
func typeOf(n *Node) reflect.Type {
	switch n.Role {
	case Component, Config, Import:
		return n.Kind.Arguments
	case Argument:
		return reflect.TypeFor[ArgumentArguments]()
	case Export:
		return reflect.TypeFor[exportBlock]()
	case Foreach:
		return reflect.TypeFor[foreachBlock]()
	default:
		return nil
	}
}
