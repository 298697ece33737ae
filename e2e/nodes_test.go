package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

const (
	// clusterTargets is the number of targets that a cluster shares.
	clusterTargets = 120

	// lead is how far ahead nodes announce that they come and go.
	lead = 5 * time.Second
)

// A cluster is a world in which several divvies share the targets. Each of them
// names itself in its scrapes.
type cluster struct {
	*world
	nodes map[string]*divvy
	addrs []string // of all nodes that there ever are
	net   *network // that the nodes are in; nil: loopback
}

// newCluster prepares a world on loopback for that many nodes.
func newCluster(t *testing.T, nodes int) *cluster {
	t.Helper()
	c := &cluster{world: newWorld(t, clusterFleet), nodes: map[string]*divvy{}}
	for i := range nodes {
		c.addrs = append(c.addrs, fmt.Sprintf("%s:%d", c.host, 12345+i))
	}
	return c
}

// newClusterIn prepares a world in a network.
func newClusterIn(t *testing.T, n *network, nodes int) *cluster {
	t.Helper()
	c := &cluster{world: openWorld(t, clusterFleet, n.addr(-1)), nodes: map[string]*divvy{}, net: n}
	for i := range nodes {
		c.addrs = append(c.addrs, n.addr(i)+":12345")
	}
	return c
}

var clusterFleet = testbed.FleetConfig{Targets: clusterTargets, Series: 10}

// node returns the node of that name, a, b, c, …, and prepares it if it is new.
func (c *cluster) node(name string) *divvy {
	c.t.Helper()
	if d := c.nodes[name]; d != nil {
		return d
	}
	dir := c.t.TempDir()
	d := &divvy{w: c.world, dir: dir, storage: filepath.Join(dir, "storage"), addr: c.addrs[name[0]-'a']}
	d.args = []string{
		"--cluster.enabled", "--cluster.node-name=" + name, "--cluster.advertise-address=" + d.addr,
		"--cluster.join-addresses=" + strings.Join(c.addrs, ","),
	}
	d.env = []string{"NODE=" + name}
	if c.net != nil {
		d.wrap = []string{"ip", "netns", "exec", c.net.space(int(name[0] - 'a'))}
	}
	d.configure(c.configEvery(slotEvery, slotEvery-slotLate, `  http_headers = {"`+testbed.NodeHeader+`" = [sys.env("NODE")]}
  clustering {
    enabled = true
  }
`, c.endpoint(9009, "")))
	c.nodes[name] = d
	return d
}

// start starts those nodes that were never started, the first by itself if it
// is the first of all, and waits until the nodes see each other.
func (c *cluster) start(names ...string) {
	c.t.Helper()
	if len(c.nodes) == 0 {
		c.node(names[0]).start()
	}
	var fresh []*divvy
	for _, name := range names {
		if d := c.node(name); d.cmd == nil {
			d.launch()
			fresh = append(fresh, d)
		}
	}
	for _, d := range fresh {
		d.ready()
	}
	c.until(lead, "all nodes take part", func() bool { return c.agree(names...) })
}

// started returns a cluster on loopback that has served for an interval, and
// when it began to be complete.
func started(t *testing.T, names ...string) (*cluster, time.Time) {
	t.Helper()
	t.Parallel()
	c := newCluster(t, len(names))
	return c, c.settle(names...)
}

// settle starts the nodes and lets them serve for an interval. It returns when
// they began to be complete.
func (c *cluster) settle(names ...string) (from time.Time) {
	c.t.Helper()
	c.start(names...)
	from = time.Now()
	c.wait(slotEvery + slotLate)
	return from
}

// agree reports whether each of the nodes sees just these taking part.
func (c *cluster) agree(names ...string) bool {
	for _, name := range names {
		if !slices.Equal(c.node(name).participants(), names) {
			return false
		}
	}
	return true
}

// participants returns the names of the nodes that take part, as d sees it.
func (d *divvy) participants() (names []string) {
	var list []struct{ Name, State string }
	_, body := d.get("/api/v0/web/peers")
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		return nil
	}
	for _, p := range list {
		if p.State == "participant" {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// split cuts what nodes send to others, from and to, for as long as the flag
// says.
func (c *cluster) split(cuts ...[2]int) (at, mended time.Time) {
	c.t.Helper()
	at = time.Now()
	for _, cut := range cuts {
		c.net.cut(cut[0], cut[1])
	}
	c.wait(*split)
	mended = time.Now()
	for _, cut := range cuts {
		c.net.mend(cut[0], cut[1])
	}
	return at, mended
}
