package graph

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/vm"
)

// Vars are the names that expressions may use besides those of the language.
type Vars map[string]any

// Decode evaluates the body of b to a new value of struct type t, with its
// defaults and its validation. All mistakes are reported, each where it is.
//
// The library stops at the first mistake, and does not know the place of what
// a Validate method returns. So if it fails, the body is examined part by part.
func Decode(b *ast.BlockStmt, t reflect.Type, vars Vars) (any, diag.Diagnostics) {
	v := reflect.New(element(t))
	err := run(b.Body, v.Interface(), vars)
	if err == nil {
		if t.Kind() == reflect.Pointer {
			return v.Interface(), nil
		}
		return v.Elem().Interface(), nil
	}
	if ds := Examine(b, t, vars, nil); len(ds) > 0 {
		return nil, ds
	}
	return nil, clarify(err, b.NamePos, headerEnd(b))
}

// Value evaluates expr to a plain value: numbers, strings, []any,
// map[string]any, and capsules as they are.
func Value(expr ast.Expr, vars Vars) (any, diag.Diagnostics) {
	var v any
	if err := run(expr, &v, vars); err != nil {
		return nil, clarify(err, ast.StartPos(expr), ast.EndPos(expr))
	}
	return v, nil
}

// run evaluates n to v. What makes the library panic is an error: the text is
// anybody's, and must not end the collector.
func run(n ast.Node, v any, vars Vars) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be evaluated: %v", r)
		}
	}()
	return vm.New(n).Evaluate(vm.NewScope(vars), v)
}

// attempt evaluates expr to a value of type t that nobody needs.
func attempt(expr ast.Expr, t reflect.Type, vars Vars) diag.Diagnostics {
	err := run(expr, reflect.New(t).Interface(), vars)
	if err == nil {
		err = misfit(expr, t, vars)
	}
	if err == nil {
		return nil
	}
	ds := clarify(err, ast.StartPos(expr), ast.EndPos(expr))
	for i := range ds {
		ds[i].Message = due(ds[i].Message, t)
		if secret(t) {
			ds[i].Message = unspoken(ds[i].Message, expr)
		}
	}
	return ds
}

// misfit reports a number that the library would bend to fit into the integer
// type t: a fraction that it would cut off, and a value below zero that would
// become a very large one.
func misfit(expr ast.Expr, t reflect.Type, vars Vars) error {
	whole, unsigned := reflect.Zero(t).CanInt(), reflect.Zero(t).CanUint()
	var number float64
	if !whole && !unsigned || run(expr, &number, vars) != nil {
		return nil
	}
	switch {
	case number != math.Trunc(number):
		return fmt.Errorf("%v is no whole number", number)
	case unsigned && number < 0:
		return fmt.Errorf("%v is below zero; write a number from 0", number)
	}
	return nil
}

// secret reports whether values of type t are secrets, or lists or maps of them.
func secret(t reflect.Type) bool {
	for t = element(t); t.Kind() == reflect.Slice || t.Kind() == reflect.Map; {
		t = element(t.Elem())
	}
	return t == reflect.TypeFor[alloytypes.Secret]() || t == reflect.TypeFor[alloytypes.OptionalSecret]()
}

// unspoken returns message without the string literals of expr: messages are
// logged, and shown to whoever asks for a reload.
func unspoken(message string, expr ast.Expr) string {
	for _, lit := range literals(expr) {
		message = strings.ReplaceAll(message, lit.Value, "(secret)")
	}
	return message
}

// Attempt evaluates each argument of b, and of the blocks in it, by itself,
// without validation, and returns what is wrong with them.
func Attempt(b *ast.BlockStmt, t reflect.Type, vars Vars) diag.Diagnostics {
	var ds diag.Diagnostics
	s, known := schemaOf(t)
	if !known {
		return nil
	}
	for _, stmt := range b.Body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			if e, ok := s.attrs[stmt.Name.Name]; ok {
				ds.Merge(attempt(stmt.Value, e.typ, vars))
			}
		case *ast.BlockStmt:
			if e, ok := s.blocks[stmt.GetBlockName()]; ok {
				ds.Merge(Attempt(stmt, e.typ, vars))
			}
		}
	}
	return ds
}
