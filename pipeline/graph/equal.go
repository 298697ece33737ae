package graph

import (
	"reflect"
	"sync"
)

// Equal reports whether two evaluated values are the same for a component:
// equal in depth where they are configuration, and the same thing where they
// are alive. A sink that looks like another one is another one; and nothing
// alive is ever looked into, since it changes while we look.
func Equal(a, b any) bool { return equal(reflect.ValueOf(a), reflect.ValueOf(b)) }

func equal(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Pointer:
		return equalPointers(a, b)
	case reflect.Interface:
		return equal(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		return a.UnsafePointer() == b.UnsafePointer() || equalElements(a, b)
	case reflect.Array:
		return equalElements(a, b)
	case reflect.Map:
		return equalMaps(a, b)
	case reflect.Func:
		return a.IsNil() && b.IsNil()
	default:
		return a.Equal(b)
	}
}

// equalPointers looks behind pointers to configuration only.
func equalPointers(a, b reflect.Value) bool {
	if a.UnsafePointer() == b.UnsafePointer() {
		return true
	}
	if a.IsNil() || b.IsNil() || !passive(a.Type().Elem()) {
		return false
	}
	return equal(a.Elem(), b.Elem())
}

func equalElements(a, b reflect.Value) bool {
	for i := range a.Len() {
		if !equal(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func equalMaps(a, b reflect.Value) bool {
	if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
		return false
	}
	for it := a.MapRange(); it.Next(); {
		other := b.MapIndex(it.Key())
		if !other.IsValid() || !equal(it.Value(), other) {
			return false
		}
	}
	return true
}

// passiveTypes remembers passive's answers; they depend on the type alone.
var passiveTypes sync.Map // reflect.Type -> bool

// passive reports whether values of type t are configuration, so that comparing
// what is behind a pointer to them is safe and makes sense: a struct with alloy
// tags, or a type without locks, channels, functions and interfaces, such as
// url.URL.
func passive(t reflect.Type) bool {
	if known, ok := passiveTypes.Load(t); ok {
		return known.(bool)
	}
	p := decidePassive(t, map[reflect.Type]bool{})
	passiveTypes.Store(t, p)
	return p
}

func decidePassive(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer, reflect.Uintptr:
		return false
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return decidePassive(t.Elem(), seen)
	case reflect.Map:
		return decidePassive(t.Key(), seen) && decidePassive(t.Elem(), seen)
	case reflect.Struct:
		return passiveStruct(t, seen)
	default:
		return true
	}
}

func passiveStruct(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t.PkgPath() == "sync" || t.PkgPath() == "sync/atomic" {
		return false
	}
	for f := range t.Fields() {
		if _, tagged := f.Tag.Lookup("alloy"); tagged {
			return true
		}
	}
	for f := range t.Fields() {
		if !decidePassive(f.Type, seen) {
			return false
		}
	}
	return true
}
