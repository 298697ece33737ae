package pipeline

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/grafana/alloy/syntax"
	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/graph"
)

// foreach evaluates the collection of n and stages the template once for each
// item.
func (s *stage) foreach(n *node) {
	if n.pending != "" {
		return
	}
	v, ds := s.p.collection(n)
	if s.problem(n, ds); len(ds) > 0 {
		return
	}
	n.value = v
	seen := map[string]int{}
	for _, item := range v.Collection {
		id := itemID(v, item)
		seen[id]++
		f := &frame{
			plan:  n.Template,
			id:    join(n.id, fmt.Sprintf("foreach_%s_%d", id, seen[id])),
			path:  n.frame.path,
			vars:  map[string]any{v.Var: item},
			outer: n.frame,
			call:  n,
		}
		n.under = append(n.under, f)
		s.module(f)
	}
}

// itemID names an item of a collection, so that its components are the same
// ones after a reload: by the field that id names, or by its value.
func itemID(v graph.ForeachArguments, item any) string {
	key := item
	if v.ID != "" {
		key = field(item, v.ID)
	}
	switch key.(type) {
	case string, bool, int, int64, uint64, float64:
	default:
		return "0"
	}
	text := fmt.Sprint(key)
	if _, isText := key.(string); isText && v.HashStringID {
		h := fnv.New64a()
		h.Write([]byte(text))
		return fmt.Sprintf("%016x", h.Sum64())
	}
	return strings.Map(wordRune, text)
}

// field returns the value of a field of an object, or of what can be one.
func field(item any, name string) any {
	switch item := item.(type) {
	case map[string]any:
		return item[name]
	case syntax.ConvertibleIntoCapsule:
		var fields map[string]syntax.Value
		if err := item.ConvertInto(&fields); err != nil {
			return nil
		}
		if v, ok := fields[name]; ok {
			return v.Interface()
		}
	}
	return nil
}

// wordRune replaces what cannot be part of an ID.
func wordRune(r rune) rune {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return r
	}
	return '_'
}

var foreachArguments = reflect.TypeFor[graph.ForeachArguments]()

// collection evaluates the arguments of a foreach.
func (p *Pipeline) collection(n *node) (graph.ForeachArguments, diag.Diagnostics) {
	v, ds := graph.Decode(graph.Without(n.Block, "template"), foreachArguments, p.vars(n))
	if len(ds) > 0 {
		return graph.ForeachArguments{}, ds
	}
	return v.(graph.ForeachArguments), nil
}
