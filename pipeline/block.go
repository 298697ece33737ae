package pipeline

import (
	"reflect"

	"github.com/grafana/alloy/syntax"
)

// A Block is one that sets up the collector itself, such as logging or http.
// It is given at most once, at the top level.
type Block struct {
	Name      string
	Arguments reflect.Type // struct with alloy tags

	apply func(args any) error
}

// BlockOf describes the block name with arguments A. apply is called by each
// load that changes the arguments, the first included; where the block is not
// given, with the defaults. An apply that returns an error has changed
// nothing, and fails the load.
func BlockOf[A any](name string, apply func(A) error) Block {
	return Block{
		Name:      name,
		Arguments: reflect.TypeFor[A](),
		apply:     func(args any) error { return apply(args.(A)) },
	}
}

// defaults returns the arguments of a block that is not given.
func (b Block) defaults() any {
	v := reflect.New(b.Arguments)
	if d, ok := v.Interface().(syntax.Defaulter); ok {
		d.SetToDefault()
	}
	return v.Elem().Interface()
}
