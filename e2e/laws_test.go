package e2e

import (
	"slices"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

const (
	// maxHole is how long a target is not scraped at most when its node dies:
	// its interval, five seconds, and what a shared machine adds.
	maxHole = slotEvery + 5*time.Second + 250*time.Millisecond

	// maxSilence is how long a node gives no sign of life while it lives.
	maxSilence = 2 * time.Second

	// healing is how long nodes may take to see one cluster again.
	healing = 30 * time.Second
)

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

// survived fails the test unless the death of a node, at a time, cost only its
// own targets something, of each at most one slot, and no more than a hole of
// maxHole. What follows until now has to be flawless.
func (c *cluster) survived(victim string, at time.Time) {
	c.t.Helper()
	before, now := c.owners(at), time.Now()
	t := c.tally(at.Add(-slotEvery), now, anybody)
	c.t.Logf("%s had %d targets; %s", victim, count(before, victim), t)
	if t.hole > maxHole {
		c.t.Errorf("%s was not scraped for %s", t.holeTarget, t.hole)
	}
	for target, n := range t.spoiled {
		if n > 1 {
			c.t.Errorf("%d slots of %s are late or missed", n, target)
		}
	}
	hit := func(s slot) bool { return before[s.target] == victim && s.at.Before(at.Add(maxHole)) }
	c.none("missed without a reason", slices.DeleteFunc(t.missed, hit))
	c.none("late without a reason", slices.DeleteFunc(t.late, hit))
	// The dead node may have served a slot and not have given a sign of life
	// since then.
	c.none("doubled without a reason", slices.DeleteFunc(t.doubled, func(s slot) bool {
		return hit(s) && s.at.After(at.Add(-maxSilence)) && len(s.seen) == 2 && s.seen[0].By == victim
	}))
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

// side fails the test unless these nodes served all targets between a split
// and its end, at first after as long as a death takes to be known. Where they
// still heard the others for a moment, those served in it.
func (c *cluster) side(what string, at, until time.Time, ours func(testbed.Scrape) bool) {
	c.t.Helper()
	t := c.tally(at, until, func(s testbed.Scrape) bool {
		return s.Time.Before(at.Add(slotLate)) || ours(s)
	})
	c.t.Logf("%s: %s", what, t)
	if t.hole > maxHole {
		c.t.Errorf("%s: %s was not scraped for %s", what, t.holeTarget, t.hole)
	}
	c.settled(what, c.tally(at.Add(maxHole), until, ours))
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
