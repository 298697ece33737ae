// Package excerpt cuts long lists in the arguments, exports and debug
// information of components before they are encoded: encoding ten thousand
// targets takes a second and gives megabytes, which nobody reads.
//
// Invariant: what is cut stays as it is; the excerpt is a copy.
package excerpt

import (
	"reflect"
	"strings"
)

// Of returns v, a struct with alloy tags or a map, with the lists directly in it
// cut to most items, and how long those were by name. Anything else is returned
// as it is.
func Of(v any, most int) (short any, whole map[string]int) {
	whole = map[string]int{}
	value := reflect.ValueOf(v)
	switch {
	case !value.IsValid():
		return v, whole
	case value.Kind() == reflect.Pointer && value.Elem().Kind() == reflect.Struct:
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.Struct:
		return ofStruct(value, most, whole).Interface(), whole
	case reflect.Map:
		return ofMap(value, most, whole).Interface(), whole
	}
	return v, whole
}

// ofStruct returns a copy of a struct with its lists cut.
func ofStruct(v reflect.Value, most int, whole map[string]int) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		name, _, tagged := strings.Cut(v.Type().Field(i).Tag.Get("alloy"), ",")
		field := out.Field(i)
		if tagged && field.CanSet() && field.Kind() == reflect.Slice && field.Len() > most {
			whole[name] = field.Len()
			field.Set(field.Slice3(0, most, most))
		}
	}
	return out
}

// ofMap returns a copy of a map with its lists cut.
func ofMap(v reflect.Value, most int, whole map[string]int) reflect.Value {
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for key, value := range v.Seq2() {
		list := value
		if list.Kind() == reflect.Interface {
			list = list.Elem()
		}
		if list.Kind() == reflect.Slice && list.Len() > most {
			whole[key.String()] = list.Len()
			value = list.Slice3(0, most, most)
		}
		out.SetMapIndex(key, value)
	}
	return out
}
