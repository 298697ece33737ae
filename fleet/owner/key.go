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
// of both kinds agree on every owner. The one exception is FinalKey, which is
// looked up only while no such node takes part (RingKey).
package owner

import (
	"slices"
	"strconv"
	"strings"
	"time"

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

// FinalKey returns the key of a target by what rules have made of it: the URL
// that is fetched and the labels of its series. So what was discovered twice and
// came to the same in the end is one target. It is XXH64 over the URL and over
// each label as in TargetKey.
func FinalKey(url string, public labels.Labels) Key {
	var buf [1024]byte
	b := append(append(buf[:0], url...), 0xFF)
	public.Range(func(l labels.Label) {
		b = append(append(b, l.Name...), 0xFF)
		b = append(append(b, l.Value...), 0xFF)
	})
	return Key(xxhash.Sum64(b))
}

// DiscoveredKey returns the key by which Grafana Alloy knows a target that rules
// are still to be applied to: XXH64 of {name="value", …}, over the labels that
// were discovered for this target alone, without those of its group and those
// that begin with __meta_.
func DiscoveredKey(own labels.Labels) Key {
	var parts []string
	own.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, "__meta_") {
			parts = append(parts, l.Name+"="+strconv.Quote(l.Value))
		}
	})
	slices.Sort(parts)
	return StringKey("{" + strings.Join(parts, ", ") + "}")
}

// RingKey returns by which key the owner of a target's slot at t is looked up:
// by key, or, while a node of other software takes part, by the one that such
// nodes know the target by. foreign is zero where that is key itself.
func (v View) RingKey(key, foreign Key, t time.Time) Key {
	if foreign == 0 {
		return key
	}
	for _, i := range v.foreign {
		if v.members[i].serves(t) {
			return foreign
		}
	}
	return key
}

// StringKey returns the key of a thing that has a name and no labels.
func StringKey(name string) Key { return Key(xxhash.Sum64String(name)) }
