package args

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Target is a target as an argument or an export. It decodes from an object
// whose values are strings, numbers or booleans, and reads as an object of
// strings: discovery.x.y.targets[0]["__address__"].
//
// Targets compare with ==.
type Target struct{ Target telemetry.Target }

var (
	_ syntax.ConvertibleFromCapsule = (*Target)(nil)
	_ syntax.ConvertibleIntoCapsule = Target{}
)

// Targets returns the labels of each of list.
func Targets(list []Target) []telemetry.Target {
	out := make([]telemetry.Target, len(list))
	for i, t := range list {
		out[i] = t.Target
	}
	return out
}

// FromTargets is the inverse of Targets. The result is never nil, so that an
// export of no targets is an empty list and not null.
func FromTargets(list []telemetry.Target) []Target {
	out := make([]Target, len(list))
	for i, t := range list {
		out[i] = Target{t}
	}
	return out
}

// AlloyCapsule marks the type as a capsule of the language.
func (Target) AlloyCapsule() {}

// ConvertFrom sets t to the labels of an object. A null value is the absence
// of a label. Values that are no scalars, secrets among them, are an error.
func (t *Target) ConvertFrom(src any) error {
	v := reflect.ValueOf(src)
	if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
		return syntax.ErrNoConversion
	}
	b := labels.NewScratchBuilder(v.Len())
	for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), byText) {
		text, err := labelValue(v.MapIndex(key).Interface())
		if err != nil {
			return fmt.Errorf("label %q of the target %w", key.String(), err)
		}
		if text != "" {
			b.Add(key.String(), text)
		}
	}
	t.Target = b.Labels()
	return nil
}

// byText orders map keys.
func byText(a, b reflect.Value) int {
	switch {
	case a.String() < b.String():
		return -1
	case a.String() > b.String():
		return 1
	}
	return 0
}

// labelValue returns a scalar as the language spells it.
func labelValue(src any) (string, error) {
	if v, wrapped := src.(syntax.Value); wrapped {
		src = v.Interface()
	}
	if src == nil {
		return "", nil
	}
	if c, ok := src.(syntax.ConvertibleIntoCapsule); ok {
		var text string
		if err := c.ConvertInto(&text); err != nil {
			return "", fmt.Errorf("is a %T: use a string, or convert.nonsensitive() if it may be shown", src)
		}
		return text, nil
	}
	switch v := reflect.ValueOf(src); v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64), nil
	}
	return "", fmt.Errorf("is a %T: use a string, a number or a boolean", src)
}

// ConvertInto gives the labels as an object.
func (t Target) ConvertInto(dst any) error {
	switch dst := dst.(type) {
	case *map[string]syntax.Value:
		*dst = make(map[string]syntax.Value, t.Target.Len())
		t.Target.Range(func(l labels.Label) { (*dst)[l.Name] = syntax.ValueFromString(l.Value) })
	case *map[string]string:
		*dst = t.Target.Map()
	case *map[string]any:
		*dst = make(map[string]any, t.Target.Len())
		t.Target.Range(func(l labels.Label) { (*dst)[l.Name] = l.Value })
	default:
		return syntax.ErrNoConversion
	}
	return nil
}

// FromMap returns the target with these labels.
func FromMap(m map[string]string) Target {
	return Target{labels.FromMap(maps.Clone(m))}
}
