// Package pyroscope adapts the engines of profiles to the pipeline: see package
// components, of which it is a part.
package pyroscope

import (
	"slices"

	"github.com/grafana/alloy/syntax"

	"github.com/divvy-collector/divvy/profiles"
)

// A Receiver is the capsule around a sink of profiles: the export `receiver`
// and the elements of forward_to. Receivers are equal if they hold the same
// sink; never compare sinks by what they contain.
type Receiver struct{ Sink profiles.Sink }

var _ syntax.Capsule = Receiver{}

// AlloyCapsule marks the type as a capsule of the language.
func (Receiver) AlloyCapsule() {}

// Sinks returns the sink of each of list. Those without one, null in the
// configuration, are left out.
func Sinks(list []Receiver) []profiles.Sink {
	out := make([]profiles.Sink, 0, len(list))
	for _, r := range list {
		if r.Sink != nil {
			out = append(out, r.Sink)
		}
	}
	return slices.Clip(out)
}
