package report

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// An inventory is the targets of one node, by component and key. It is not
// changed once it is taken.
type inventory struct{ sets []set }

// A set is the targets of one component.
type set struct {
	component string
	clustered bool
	hash      uint64          // of the keys
	interval  time.Duration   // the shortest of the targets'
	changed   time.Time       // when hash was first seen
	targets   []status.Target // by key, no key twice
}

// after dates what has changed since the inventory before.
func (inv inventory) after(before inventory, now time.Time) inventory {
	for i := range inv.sets {
		s := &inv.sets[i]
		if old := before.set(s.component); old != nil && old.hash == s.hash {
			s.changed = old.changed
		} else {
			s.changed = now
		}
	}
	return inv
}

// takeInventory sorts targets, which it keeps.
func takeInventory(targets []status.Target) inventory {
	slices.SortFunc(targets, func(a, b status.Target) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Key, b.Key))
	})
	targets = slices.CompactFunc(targets, func(a, b status.Target) bool {
		return a.Component == b.Component && a.Key == b.Key
	})
	var inv inventory
	for from := 0; from < len(targets); {
		to := from + 1
		for to < len(targets) && targets[to].Component == targets[from].Component {
			to++
		}
		inv.sets = append(inv.sets, newSet(targets[from:to:to]))
		from = to
	}
	return inv
}

// newSet returns the set of targets, all of one component, sorted.
func newSet(targets []status.Target) set {
	s := set{component: targets[0].Component, clustered: targets[0].Clustered, targets: targets}
	var sum owner.SetDigest
	for i := range targets {
		t := &targets[i]
		sum = sum.Add(t.Key)
		if s.interval == 0 || t.Interval < s.interval {
			s.interval = t.Interval
		}
	}
	s.hash = uint64(sum)
	return s
}

// digest returns the set in a few bytes.
func (s *set) digest() Digest {
	return Digest{
		Component: s.component, Count: len(s.targets), Hash: hash(s.hash), Clustered: s.clustered,
		Interval: s.interval, Changed: s.changed,
	}
}

// digestOf returns a census in a few bytes.
func digestOf(c status.Census) Digest {
	return Digest{
		Component: c.Component, Count: c.Count, Hash: hash(uint64(c.Digest)), Clustered: c.Clustered,
		Interval: c.Interval, Changed: c.Changed,
	}
}

// hash returns a hash as people and JSON see it.
func hash(sum uint64) string { return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, sum)) }

// set returns the set of a component, or nil.
func (inv inventory) set(component string) *set {
	for i := range inv.sets {
		if inv.sets[i].component == component {
			return &inv.sets[i]
		}
	}
	return nil
}

// digests returns the digests of all sets.
func (inv inventory) digests() []Digest {
	list := make([]Digest, len(inv.sets))
	for i := range inv.sets {
		list[i] = inv.sets[i].digest()
	}
	return list
}

// shared returns by which keys the targets that nodes share out are looked up.
func (inv inventory) shared(view owner.View, now time.Time) (keys []owner.Key) {
	for i := range inv.sets {
		if !inv.sets[i].clustered {
			continue
		}
		for j := range inv.sets[i].targets {
			t := &inv.sets[i].targets[j]
			keys = append(keys, view.RingKey(t.Key, t.Foreign, now))
		}
	}
	return keys
}

// owns reports whether self serves the next slot of t, by view.
func owns(t *status.Target, view owner.View, self string, now time.Time) bool {
	if !t.Clustered {
		return true
	}
	m, ok := t.Owner(view, nextSlot(t, now))
	return ok && m.Name == self && !m.Peer
}

// nextSlot returns the next slot of t after now.
func nextSlot(t *status.Target, now time.Time) time.Time {
	if t.Interval <= 0 {
		return now
	}
	return owner.NextSlot(t.Key, t.Interval, now)
}

// scrapedLately reports whether this node has scraped t within its last two intervals.
func scrapedLately(t *status.Target, now time.Time) bool {
	return !t.At.IsZero() && now.Sub(t.At) <= 2*t.Interval
}

// load adds up what the node that took the inventory carries.
func (inv inventory) load(l *Load, view owner.View, self string, now time.Time) {
	for i := range inv.sets {
		for j := range inv.sets[i].targets {
			t := &inv.sets[i].targets[j]
			l.Known++
			if owns(t, view, self, now) {
				l.Owned++
			}
			if !scrapedLately(t, now) || t.Interval <= 0 {
				continue
			}
			l.Served++
			if t.Health == status.Down {
				l.Down++
			}
			l.SamplesPerSecond += float64(t.Samples) / t.Interval.Seconds()
			l.BytesPerSecond += float64(t.Bytes) / t.Interval.Seconds()
		}
	}
}
