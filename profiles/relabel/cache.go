package relabel

import (
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// A cache knows what became of labels. It has two halves: when the young one is
// full it becomes the old one, whose place it takes; what is asked for comes
// back from the old one. So series that go on are never worked out twice.
type cache struct {
	mu         sync.Mutex
	half       int
	young, old map[uint64]pair
}

// A pair is labels before and after the rules; after is empty if they drop them.
type pair struct{ before, after telemetry.Labels }

// newCache returns a cache of about size pairs.
func newCache(size int) *cache {
	return &cache{half: max(1, size/2), young: map[uint64]pair{}}
}

// get returns what became of lset.
func (c *cache) get(lset telemetry.Labels) (telemetry.Labels, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := lset.Hash()
	p, known := c.young[key]
	if !known {
		if p, known = c.old[key]; known {
			c.addLocked(key, p)
		}
	}
	if !known || !labels.Equal(p.before, lset) {
		return labels.EmptyLabels(), false
	}
	return p.after, true
}

// put remembers what became of lset.
func (c *cache) put(before, after telemetry.Labels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(before.Hash(), pair{before, after})
}

func (c *cache) addLocked(key uint64, p pair) {
	if len(c.young) >= c.half {
		c.young, c.old = map[uint64]pair{}, c.young
	}
	c.young[key] = p
	delete(c.old, key)
}

// size returns how many pairs are remembered.
func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
