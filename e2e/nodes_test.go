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

	// takeover is how long the targets of a node that dies may wait beyond
	// their interval.
	takeover = 5 * time.Second

	// maxSilence is how long a node gives no sign of life while it lives.
	maxSilence = 2 * time.Second

	// healing is how long nodes may take to see one cluster again.
	healing = 30 * time.Second
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

// owners returns the node that scraped each target last, up to at.
func (c *cluster) owners(at time.Time) map[string]string {
	owners := map[string]string{}
	for n := range clusterTargets {
		for _, s := range c.fleet.Scrapes(n) {
			if !s.Time.After(at) {
				owners[s.Target] = s.By
			}
		}
	}
	return owners
}

// flawless fails the test unless every slot since from was served once, in
// time, and what the scrapes brought has arrived.
func (c *cluster) flawless(from time.Time) {
	c.t.Helper()
	t := c.tally(from, time.Now(), anybody)
	c.t.Log(t)
	c.none("missed", t.missed)
	c.none("doubled", t.doubled)
	c.none("late", t.late)
	if t.slots < clusterTargets {
		c.t.Error("that is too few")
	}
	c.unmarked()
	c.kept()
}

// none fails the test if there are such slots.
func (c *cluster) none(what string, slots []slot) {
	c.t.Helper()
	if len(slots) > 0 {
		c.t.Errorf("%d slots are %s:%s", len(slots), what, list(slots))
	}
}

// unmarked fails the test if any series was marked as ended: all targets live.
func (c *cluster) unmarked() {
	c.t.Helper()
	for name, points := range c.receiver.Series() {
		for _, p := range points {
			if p.Stale() {
				c.t.Errorf("living series were marked as ended: %d times, e.g. %s at %s",
					c.receiver.Report().Stale, name, time.UnixMilli(p.T).Format("15:04:05.000"))
				return
			}
		}
	}
}

// kept waits until every scrape has arrived that was answered until now, and
// fails the test if one does not or did twice. Scrapes that were made just
// before one of the crashes may be lost, or come again after a restart.
func (c *cluster) kept(crashes ...time.Time) {
	c.t.Helper()
	var lost []testbed.Scrape
	now := time.Now()
	for end := now.Add(5 * time.Second); ; c.wait(100 * time.Millisecond) {
		all, _ := c.lost(now)
		lost = slices.DeleteFunc(all, func(s testbed.Scrape) bool {
			return slices.ContainsFunc(crashes, func(at time.Time) bool {
				return s.Time.After(at.Add(-commitLag)) && s.Time.Before(at.Add(slotEarly))
			})
		})
		if len(lost) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(lost) > 0 {
		c.t.Errorf("%d scrapes were made and lost: %s", len(lost), describe(lost))
	}
	r := c.receiver.Report()
	c.t.Logf("%d scrapes arrived, %d again, %d out of order, lag of 99%%: %s", r.Scrapes, r.Duplicates, r.OutOfOrder, r.LagP99)
	if r.Duplicates > 0 && len(crashes) == 0 {
		c.t.Errorf("%d scrapes arrived twice", r.Duplicates)
	}
}

// survived fails the test unless the death of the victim, at a time, cost only
// its own targets, of each at most one slot, and no more than the law's hole.
// What follows until now has to be flawless.
func (c *cluster) survived(victim string, at time.Time) {
	c.t.Helper()
	before, now := c.owners(at), time.Now()
	t := c.tally(at.Add(-slotEvery), now, anybody)
	c.t.Log(t)
	moved := func(target string) bool { return before[target] == victim }
	stayed := func(target string) bool { return before[target] != victim }
	c.none("missed though nobody died who owned them", only(t.missed, stayed))
	c.none("late though nobody died who owned them", only(t.late, stayed))
	c.none("doubled though nobody died who owned them", only(t.doubled, stayed))
	if t.hole > slotEvery+takeover {
		c.t.Errorf("%s was not scraped for %s", t.holeTarget, t.hole)
	}
	for target, n := range t.spoiled {
		if n > 1 {
			c.t.Errorf("%d slots of %s are late or missed", n, target)
		}
	}
	// What the dead node served before it last gave a sign of life is not
	// served again.
	c.none("doubled though served long before the death", slices.DeleteFunc(only(t.doubled, moved), func(s slot) bool {
		return s.at.After(at.Add(-maxSilence)) && len(s.seen) == 2 && s.seen[0].By == victim
	}))
	end := at.Add(slotEvery + takeover)
	soon := func(s slot) bool { return s.at.Before(end) }
	for what, slots := range map[string][]slot{"missed": t.missed, "doubled": t.doubled, "late": t.late} {
		c.t.Logf("%d slots of the dead node's %d targets are %s:%s", len(only(slots, moved)), count(before, victim), what, list(only(slots, moved)))
		c.none(what+" long after the death", slices.DeleteFunc(slices.Clone(slots), soon))
	}
	for target, node := range c.owners(now) {
		if was := before[target]; was != node && was != victim && node != victim {
			c.t.Errorf("%s moved from %s to %s", target, was, node)
		}
	}
}

// count returns how many targets a node has.
func count(owners map[string]string, node string) (n int) {
	for _, who := range owners {
		if who == node {
			n++
		}
	}
	return n
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

// side fails the test unless these nodes served all targets between a split
// and its end, at first after as long as a death takes to be known. Where they
// still heard the others for a moment, those served in it.
func (c *cluster) side(what string, at, until time.Time, ours func(testbed.Scrape) bool) {
	c.t.Helper()
	t := c.tally(at, until, func(s testbed.Scrape) bool {
		return s.Time.Before(at.Add(slotLate)) || ours(s)
	})
	c.t.Logf("%s: %s", what, t)
	if t.hole > slotEvery+takeover {
		c.t.Errorf("%s: %s was not scraped for %s", what, t.holeTarget, t.hole)
	}
	c.settled(what, c.tally(at.Add(slotEvery+takeover), until, ours))
}

// settled fails the test unless each slot of t was served once, in time.
func (c *cluster) settled(what string, t tally) {
	c.t.Helper()
	c.t.Logf("%s, settled: %s", what, t)
	c.none("missed by "+what, t.missed)
	c.none("doubled by "+what, t.doubled)
	c.none("late by "+what, t.late)
}

// healed waits until a, b and c see one cluster again, and fails the test
// unless they do in time, no slot since from was missed, and every one is
// served once from then on.
func (c *cluster) healed(from, mended time.Time) {
	c.t.Helper()
	c.until(healing, "all nodes take part", func() bool { return c.agree("a", "b", "c") })
	c.t.Logf("all nodes took part %s after the network was mended", time.Since(mended))
	c.wait(3 * slotEvery)
	t := c.tally(from, time.Now(), anybody)
	c.t.Logf("all: %s", t)
	c.none("missed", t.missed)
	if took := t.lastDoubledAt.Sub(mended); took > healing {
		c.t.Errorf("slots were doubled until %s after the network was mended", took)
	} else if took > 0 {
		c.t.Logf("slots were doubled until %s after the network was mended", took)
	}
	now := time.Now()
	c.settled("all", c.tally(now.Add(-2*slotEvery), now, anybody))
	c.unmarked()
	c.kept()
}

// servedBy returns the scrapes of a node after from.
func (c *cluster) servedBy(node string, from time.Time) (served []testbed.Scrape) {
	for n := range clusterTargets {
		for _, s := range c.fleet.Scrapes(n) {
			if s.By == node && s.Time.After(from) {
				served = append(served, s)
			}
		}
	}
	return served
}
