// Package owner is the arithmetic of who does what, when: keys of targets,
// slots of their schedules, and the View that names the owner of a key at a
// time. Nothing here reads a clock, starts a goroutine or talks to anybody.
//
// A target is scraped at the instants
//
//	t = k·interval + phase
//
// on the wall clock, where phase depends on the target's key alone. So a
// target's schedule is the same on every machine, and a node that takes it
// over goes on where the other one stopped.
//
// Invariant: keys are those of Grafana Alloy (XXH64 with seed 0), so that nodes
// of both kinds agree on every owner.
package owner

import (
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// A Key is the identity of a target in the cluster.
type Key uint64

// TargetKey returns the key of a target: XXH64 over the name and the value of
// each label, each followed by the byte 0xFF, in the order of the names,
// without the labels that begin with __meta_.
func TargetKey(target labels.Labels) Key {
	var buf [1024]byte
	b := buf[:0]
	target.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__meta_") {
			return
		}
		b = append(append(b, l.Name...), 0xFF)
		b = append(append(b, l.Value...), 0xFF)
	})
	return Key(xxhash.Sum64(b))
}

// StringKey returns the key of a thing that has a name and no labels.
func StringKey(name string) Key { return Key(xxhash.Sum64String(name)) }
