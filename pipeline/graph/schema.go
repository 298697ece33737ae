package graph

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax"
)

// A schema is what a struct type with alloy tags says about a body: which
// arguments and blocks it takes, by name. The tags are the language library's:
//
//	`alloy:"name,attr"`            an argument; ",optional" if it may be left out
//	`alloy:"name,block"`           a block; a slice may be given several times
//	`alloy:"name,enum"`            blocks name.x, of which x names a field
//	`alloy:",squash"`              the fields of another struct
//	`alloy:",label"`               the label of the block
//
// The library checks bodies by them, too, but stops at the first mistake and
// cannot tell what was meant.
type schema struct {
	attrs  map[string]entry
	blocks map[string]entry
	label  bool // the block takes a label
}

// An entry is one argument or block of a schema.
type entry struct {
	typ      reflect.Type // without pointers
	optional bool
	many     bool // a block that may be given more than once
}

var unmarshaler = reflect.TypeFor[syntax.Unmarshaler]()

// schemaOf returns the schema of t, or false if t takes any body: maps,
// interfaces, and types that decode themselves.
func schemaOf(t reflect.Type) (schema, bool) {
	t = element(t)
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return schema{}, false
	}
	s := schema{attrs: map[string]entry{}, blocks: map[string]entry{}}
	s.add(t)
	return s, true
}

// add adds the fields of struct type t.
func (s *schema) add(t reflect.Type) {
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("alloy")
		if !tagged {
			continue
		}
		name, flags, _ := strings.Cut(tag, ",")
		e := entry{typ: element(f.Type), optional: strings.Contains(flags, "optional")}
		switch kind, _, _ := strings.Cut(flags, ","); kind {
		case "attr":
			e.typ = f.Type
			s.attrs[name] = e
		case "block":
			s.addBlock(name, e)
		case "enum":
			s.addEnum(name, e)
		case "squash":
			s.add(element(f.Type))
		case "label":
			s.label = true
		}
	}
}

// addBlock adds a block; a slice of blocks may be given more than once, and not
// at all.
func (s *schema) addBlock(name string, e entry) {
	if e.typ.Kind() == reflect.Slice || e.typ.Kind() == reflect.Array {
		e.many, e.typ = true, element(e.typ.Elem())
	}
	s.blocks[name] = e
}

// addEnum adds the blocks of an enumeration: a slice of structs of which each
// holds one of several blocks, named <enum>.<block>.
func (s *schema) addEnum(name string, e entry) {
	if e.typ.Kind() != reflect.Slice {
		return
	}
	inner, ok := schemaOf(e.typ.Elem())
	if !ok {
		return
	}
	for block, b := range inner.blocks {
		s.blocks[name+"."+block] = entry{typ: b.typ, optional: true, many: true}
	}
}

// names returns the names of all arguments and blocks.
func (s schema) names() []string {
	return append(slices.Collect(maps.Keys(s.attrs)), slices.Collect(maps.Keys(s.blocks))...)
}

// element follows pointers.
func element(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
