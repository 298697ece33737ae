package scrape

import (
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A Commons is what the pools of one component share: one set of metrics, the
// walks, as many as there are processors, room for large bodies, and the notes
// to other nodes. Any number of goroutines may use it.
type Commons struct {
	name    string // label scrape_job of metrics; empty: each pool has its own
	metrics *metrics
	walks   chan *walk.Walk
	depot   *fetch.Depot
	outbox  outbox

	mu    sync.Mutex
	pools map[*Pool]struct{} // that have not ended
	loop  *fetch.Loop        // of all of them; nil: there are none
}

// NewCommons returns the Commons of pools that are still to be made, whose
// metrics are registered with r, if that is not nil. With a name they are
// counted together, under that name; so metrics do not grow with the pools.
func NewCommons(r prometheus.Registerer, name string) (*Commons, error) {
	c := &Commons{
		name: name, depot: fetch.NewDepot(), pools: map[*Pool]struct{}{},
		walks: make(chan *walk.Walk, runtime.GOMAXPROCS(0)),
	}
	seed := maphash.MakeSeed()
	for range cap(c.walks) {
		c.walks <- walk.New(seed)
	}
	var err error
	if c.metrics, err = newMetrics(r, c.sum((*Pool).owned), c.sum((*Pool).shared)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

func (c *Commons) add(p *Pool) {
	c.metrics.pools.Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools[p] = struct{}{}
	if c.loop == nil {
		c.loop = fetch.New(c.depot, dialer(&p.set.cfg), c.commitSoon)
	}
	p.loop = c.loop
}

func (c *Commons) remove(p *Pool) {
	c.mu.Lock()
	delete(c.pools, p)
	var loop *fetch.Loop
	if len(c.pools) == 0 {
		loop, c.loop = c.loop, nil
	}
	c.mu.Unlock()
	if loop != nil {
		loop.Close()
	}
}

// commitSoon has what was scraped in one go committed in one go.
func (c *Commons) commitSoon() {
	var last telemetry.Sink
	for _, p := range c.list() {
		p.mu.Lock()
		sink := p.sink
		p.mu.Unlock()
		if sink != last {
			telemetry.CommitSoon(sink)
		}
		last = sink
	}
}

// list returns the pools that have not ended.
func (c *Commons) list() []*Pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.pools))
}

// sum returns a function that adds up a number of each pool.
func (c *Commons) sum(of func(*Pool) float64) func() float64 {
	return func() (n float64) {
		for _, p := range c.list() {
			n += of(p)
		}
		return n
	}
}

// Told takes a note from another node about targets of any of the pools: see
// Pool.Told.
func (c *Commons) Told(log *slog.Logger, from string, note []byte) {
	words, err := decodeNote(note)
	if err != nil {
		log.Warn("note of a peer not understood", "peer", from, "err", err)
		return
	}
	for _, p := range c.list() {
		p.heed(from, words)
	}
}

// twins returns the targets of other pools than p that have the labels of t,
// lset, and are not gone.
func (c *Commons) twins(p *Pool, t *target, lset telemetry.Labels) (list []*target) {
	for _, other := range c.list() {
		if other == p {
			continue
		}
		other.mu.Lock()
		list = append(list, other.twinsLocked(t, lset)...)
		other.mu.Unlock()
	}
	return list
}
