package ui

import (
	"reflect"
	"strings"
)

// keptItems is how many items of a list are encoded for a page: more than it
// shows. Encoding ten thousand targets takes a second.
const keptItems = 200

// shorten returns v, a struct with alloy tags or a map, with the lists in it cut
// to keptItems, and how long those were by name. v itself stays as it is.
func shorten(v any) (short any, whole map[string]int) {
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
		return shortenStruct(value, whole).Interface(), whole
	case reflect.Map:
		return shortenMap(value, whole).Interface(), whole
	}
	return v, whole
}

// shortenStruct returns a copy of a struct with its lists cut.
func shortenStruct(v reflect.Value, whole map[string]int) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		name, _, tagged := strings.Cut(v.Type().Field(i).Tag.Get("alloy"), ",")
		field := out.Field(i)
		if tagged && field.CanSet() && field.Kind() == reflect.Slice && field.Len() > keptItems {
			whole[name] = field.Len()
			field.Set(field.Slice(0, keptItems))
		}
	}
	return out
}

// shortenMap returns a copy of a map with its lists cut.
func shortenMap(v reflect.Value, whole map[string]int) reflect.Value {
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for key, value := range v.Seq2() {
		list := value
		if list.Kind() == reflect.Interface {
			list = list.Elem()
		}
		if list.Kind() == reflect.Slice && list.Len() > keptItems {
			whole[key.String()] = list.Len()
			value = list.Slice(0, keptItems)
		}
		out.SetMapIndex(key, value)
	}
	return out
}
