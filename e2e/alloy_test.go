package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// forgetting is how long the other software's timings may take to give a node
// up that was killed just after another one has left.
const forgetting = 150 * time.Second

// A cluster of Grafana Alloy is replaced node by node, with the same
// configuration and flags. Whenever it has settled, each target is scraped once
// in its interval, by one node.
func TestAlloyIsReplacedNodeByNode(t *testing.T) {
	if *alloy == "" {
		t.Skip("needs Grafana Alloy's program: -alloy")
	}
	t.Parallel()
	c := newCluster(t, 4)
	for _, name := range []string{"a", "b"} {
		d := c.node(name)
		d.program = *alloy
		d.args = append(d.args, "--disable-reporting")
		d.start()
	}
	c.shared("a", "b")
	c.start("a", "b", "c", "d")
	c.shared("a", "b", "c", "d")
	c.node("a").signal(syscall.SIGTERM)
	c.shared("b", "c", "d")
	c.node("b").kill()
	c.shared("c", "d")
	c.unmarked()
}

// shared waits until all software agrees on who takes part, and fails the test
// unless each target is then scraped once in each of three intervals, by one of
// those nodes.
func (c *cluster) shared(names ...string) {
	c.t.Helper()
	c.until(forgetting, "all nodes take part", func() bool { return c.agree(names...) })
	c.wait(10 * time.Second) // the switch of the other software is not dated
	from := time.Now()
	c.wait(3 * slotEvery)
	load := map[string]int{}
	for n := range clusterTargets {
		seen := within(c.fleet.Scrapes(n), from, from.Add(3*slotEvery-slotEarly))
		c.steady(seen)
		if len(seen) > 0 {
			load[seen[0].By]++
		}
	}
	c.t.Logf("targets by node: %v", load)
	for _, name := range names {
		if load[name] == 0 {
			c.t.Errorf("%s has no target", name)
		}
	}
}

// steady fails the test unless the scrapes of one target are an interval apart
// and made by one node.
func (c *cluster) steady(seen []testbed.Scrape) {
	c.t.Helper()
	if len(seen) < 2 || len(seen) > 3 {
		c.t.Errorf("%d scrapes in three intervals: %v", len(seen), seen)
		return
	}
	for i, s := range seen[1:] {
		if gap := s.Time.Sub(seen[i].Time); s.By != seen[0].By || gap < slotEvery-slotLate || gap > slotEvery+slotLate {
			c.t.Errorf("%s was scraped by %s and %s after it by %s", s.Target, seen[i].By, gap, s.By)
		}
	}
}
