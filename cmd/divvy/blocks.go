package main

import (
	"errors"
	"reflect"
	"slices"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/web"
)

// blocks returns the blocks that set up the collector itself. applyLogging,
// applyHTTP and applyLive put them into force: with the defaults where a
// configuration does not have the block, so that a reload which removes it also
// undoes it.
func blocks(
	applyLogging func(LoggingArguments) error,
	applyHTTP func(web.Options) error,
	applyLive func(LiveDebuggingArguments) error,
) []pipeline.Block {
	return []pipeline.Block{
		pipeline.BlockOf("logging", applyLogging),
		pipeline.BlockOf("http", applyHTTP),
		pipeline.BlockOf("livedebugging", applyLive),
		pipeline.BlockOf("tracing", func(tracingArguments) error { return nil }),
		pipeline.BlockOf("remotecfg", func(remoteConfigArguments) error { return nil }),
	}
}

// LiveDebuggingArguments say whether what passes through components may be
// watched. It may hold what is secret in the telemetry, so it may not unless
// somebody says so.
type LiveDebuggingArguments struct {
	Enabled bool `alloy:"enabled,attr,optional"`
}

// The blocks below are known, so that a configuration which has them gets a
// reason and a remedy instead of "unknown block". They decode themselves: then
// the reason is the only thing said, whatever arguments are inside.

// tracingArguments is a block that is refused, whatever is in it.
type tracingArguments struct{}

// UnmarshalAlloy refuses the block.
func (*tracingArguments) UnmarshalAlloy(func(any) error) error {
	return errors.New("tracing cannot work: divvy makes no traces of itself; remove the block")
}

// remoteConfigArguments is a block that is refused, whatever is in it.
type remoteConfigArguments struct{}

// UnmarshalAlloy refuses the block.
func (*remoteConfigArguments) UnmarshalAlloy(func(any) error) error {
	return errors.New("remotecfg cannot work: divvy reads its configuration from files; remove the block")
}

// secretTypes returns the argument types of kinds, of the import blocks that come
// with them, and of blocks, by name. They tell
// which text of a configuration is secret: an argument of a secret type is, and
// so is everything in a block that is not in the map.
func secretTypes(kinds []component.Kind, blocks []pipeline.Block) map[string]reflect.Type {
	types := make(map[string]reflect.Type, len(kinds)+len(blocks))
	for _, k := range slices.Concat(kinds, pipeline.Imports(kinds)) {
		types[k.Name] = k.Arguments
	}
	for _, b := range blocks {
		types[b.Name] = b.Arguments
	}
	return types
}
