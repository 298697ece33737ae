package jobs

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
)

// Ports of a pod that rules have made one URL are one target: each slot of it
// is served once, whatever happens to the nodes, and no series is marked.
func TestPortsThatBecameOneURLAreScrapedOnce(t *testing.T) {
	pods, s := upTo(30), settings()
	play(t, []*Job{job("podMonitor/shop/web/0", s, pods[:20]...), job("podMonitor/shop/web/1", s, pods[20:]...)}, func(c *crew) {
		start := time.Now()
		c.join("d")
		time.Sleep(12 * time.Second)
		c.leave("a")
		time.Sleep(17 * time.Second)
		c.join("e")
		c.leave("d")
		time.Sleep(30 * time.Second)
		c.expectOnce(pods, start, time.Now().Add(-time.Second), 0)
		killed := time.Now()
		c.kill("b", 4*time.Second)
		time.Sleep(40 * time.Second)
		c.expectOnce(pods, killed, time.Now().Add(-time.Second), 1)
		for _, name := range []string{"c", "e"} {
			if n := len(c.hand(name).pools.Targets()); n != 30 {
				t.Errorf("%s has %d targets", name, n)
			}
		}
		if n := c.metric("prometheus_scrape_targets_gauge"); n != 30 {
			t.Errorf("%v targets are owned, by the metrics", n)
		}
		if n := c.metric("prometheus_target_scrape_pool_targets"); n != 60 {
			t.Errorf("%v targets of two nodes, by the metrics", n)
		}
	})
}

// A pod that comes or goes moves no other target. One that is gone is marked,
// once, within two intervals.
func TestPodChurnMovesNoOtherTarget(t *testing.T) {
	s := settings()
	play(t, []*Job{job("j", s, upTo(30)...)}, func(c *crew) {
		start, before := time.Now(), c.owners()
		c.set(job("j", s, upTo(40)[5:]...)) // the first five are gone, ten are new
		time.Sleep(40 * time.Second)
		after := c.owners()
		for i := 5; i < 30; i++ {
			if url := "http://" + addr(i) + "/metrics"; before[url] == "" || before[url] != after[url] {
				t.Errorf("%s has moved from %q to %q", url, before[url], after[url])
			}
		}
		c.expectOnce(upTo(30)[5:], start, time.Now().Add(-time.Second), 0)
		for i := range 5 {
			for _, series := range []string{"x", "y", "up"} {
				m := c.markers(i, series)
				if len(m) != 1 || m[0].at.Sub(start) > 2*interval {
					t.Errorf("pod %d, gone at %s: %s is marked %v", i, start, series, m)
				}
			}
		}
	})
}

// Pods go and come, and nodes do, all at once.
func TestPodsThatMoveAndGoAreMarkedOnce(t *testing.T) {
	s := settings()
	play(t, []*Job{job("j", s, upTo(30)...)}, func(c *crew) {
		start := time.Now()
		c.members["d"] = owner.Member{Name: "d", From: start.Round(0).Add(lead)}
		c.start("d")
		c.agree()
		time.Sleep(lead - time.Second)
		c.set(job("j", s, upTo(30)[10:]...))
		time.Sleep(40 * time.Second)
		c.expectOnce(upTo(30)[10:], start, time.Now().Add(-time.Second), 0)
		for i := range 10 {
			if m := c.markers(i, "x"); len(m) != 1 {
				t.Errorf("pod %d is marked %v", i, m)
			}
		}
	})
}

// A target that another job goes on with has not ended.
func TestSeriesThatAnotherJobGoesOnWithAreNotMarked(t *testing.T) {
	s := settings()
	play(t, []*Job{job("a", s, upTo(20)...)}, func(c *crew) {
		start := time.Now()
		c.set(job("b", s, upTo(20)...))
		time.Sleep(60 * time.Second)
		c.expectOnce(upTo(20), start, time.Now().Add(-time.Second), 0)
		for _, h := range c.hands {
			if all := h.pools.list(); len(all) != 1 || all["b"] == nil {
				t.Errorf("%s has the pools %v", h.name, all)
			}
		}
	})
}

// While nodes of other software take part, their keys say who owns a target.
// What is remembered stays, and so do the slots: nothing is marked, and once all
// have seen it nothing is served twice or left out.
func TestForeignNodesChangeOwnersAndNothingElse(t *testing.T) {
	pods := upTo(30)
	play(t, []*Job{job("j", settings(), pods...)}, func(c *crew) {
		before := c.owners()
		c.members[alien] = owner.Member{Name: alien, From: time.Now().Round(0).Add(time.Second), Foreign: true}
		c.agree()
		time.Sleep(30 * time.Second)
		mixed, foreign := c.owners(), 0
		for i := range pods {
			if mixed["http://"+addr(i)+"/metrics"] == alien {
				foreign++
			}
		}
		if foreign == 0 || foreign == 30 {
			t.Errorf("%d of 30 targets are the foreign node's", foreign)
		}
		m := c.members[alien]
		m.Until = time.Now().Round(0).Add(time.Second)
		c.members[alien] = m
		c.agree()
		gone := time.Now().Add(time.Second)
		time.Sleep(60 * time.Second)
		for url, node := range c.owners() {
			if node != before[url] {
				t.Errorf("%s was %s's, is %s's", url, before[url], node)
			}
		}
		c.expectOnce(pods, gone, time.Now().Add(-time.Second), 0)
	})
}

// Rules of a job are applied to its series, and to no other's.
func TestRulesAreTheJobs(t *testing.T) {
	drop := settings()
	drop.Rules = []*relabel.Config{{
		SourceLabels: model.LabelNames{"__name__"}, Separator: ";", Regex: relabel.MustNewRegexp("y"), Action: relabel.Drop,
		NameValidationScheme: model.UTF8Validation,
	}}
	play(t, []*Job{job("a", settings(), 0, 1), job("b", drop, 2, 3)}, func(c *crew) {
		time.Sleep(interval)
		f := func(pod int, series string, want bool) {
			t.Helper()
			if got := len(c.points(pod, series)) > 0; got != want {
				t.Errorf("pod %d has %s: %t", pod, series, got)
			}
		}
		for i := range 4 {
			f(i, "x", true)
			f(i, "y", i < 2)
		}
	})
}

// A job with settings that do not work does not keep others from being
// scraped, is told, and is tried again.
func TestJobThatCannotStartHarmsNoOther(t *testing.T) {
	bad := settings()
	bad.Scrape.HTTP = config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: "testdata/none.pem"}}
	good := job("b", settings(), 2, 3)
	play(t, []*Job{job("a", bad, 0, 1), good}, func(c *crew) {
		h := c.hand("a")
		if errs := h.pools.Errs(); len(errs) != 1 || errs["a"] == nil || !strings.Contains(errs["a"].Error(), "none.pem") {
			t.Errorf("errors: %v", errs)
		}
		if len(c.points(2, "x")) == 0 || len(c.points(0, "x")) > 0 {
			t.Error("the wrong job is scraped")
		}
		c.set(job("a", settings(), 0, 1), good)
		time.Sleep(2 * interval)
		if errs := h.pools.Errs(); len(errs) > 0 || len(c.points(0, "x")) == 0 {
			t.Errorf("mended, but: %v", errs)
		}
	})
}

// A change of one job leaves the others' pools alone; a change of its settings
// alone keeps its targets and their series.
func TestChangesTouchTheirOwnJob(t *testing.T) {
	one, two := job("a", settings(), 0, 1), job("b", settings(), 2, 3)
	play(t, []*Job{one, two}, func(c *crew) {
		start, syncs := time.Now(), c.metric("prometheus_target_scrape_pool_sync_total")
		c.set(one, job("b", settings(), 2, 3))
		time.Sleep(30 * time.Second)
		if n := c.metric("prometheus_target_scrape_pool_sync_total") - syncs; n != 2*3 { // Update and SetMixed, three nodes
			t.Errorf("%v syncs by a change of one job on three nodes", n)
		}
		c.expectOnce([]int{0, 1, 2, 3}, start, time.Now().Add(-time.Second), 0)
	})
}

// What nodes say of their targets is what all pools say.
func TestStatusIsOfAllJobs(t *testing.T) {
	play(t, []*Job{job("a", settings(), 0, 1), job("b", settings(), 2)}, func(c *crew) {
		p := c.hand("a").pools
		list, census := p.Targets(), p.Census()
		if len(list) != 3 || census.Count != 3 || census.Interval != interval || !p.Applied() {
			t.Fatalf("targets %v, census %+v", list, census)
		}
		var digest owner.SetDigest
		for _, x := range list {
			digest = digest.Add(x.Key)
		}
		if digest != census.Digest {
			t.Error("the census has another digest")
		}
		key := list[2].Key
		if lset, ok := p.Discovered(key); !ok || lset.Get("__address__") != addr(2) {
			t.Errorf("discovered %s, %t", lset, ok)
		}
		origins := p.Origins(func(k owner.Key) bool { return k == key })
		if len(origins) != 1 || !strings.Contains(origins[key].String(), addr(2)) {
			t.Errorf("origins %v", origins)
		}
		served := slices.ContainsFunc([]string{"a", "b", "c"}, func(name string) bool { return len(c.hand(name).pools.Scrapes(key)) > 0 })
		if !served {
			t.Error("nobody has scraped it")
		}
		if _, ok := p.Discovered(key + 1); ok || p.Scrapes(key+1) != nil {
			t.Error("a key that there is not")
		}
	})
}

// Receivers may be replaced while jobs are scraped.
func TestSinkIsReplaced(t *testing.T) {
	play(t, []*Job{job("a", settings(), 0, 1)}, func(c *crew) {
		for _, h := range c.hands {
			h.pools.SetSink(telemetry.Fanout(nil))
		}
		synctest.Wait()
		n := len(c.points(0, "x"))
		time.Sleep(30 * time.Second)
		if got := len(c.points(0, "x")); got > n {
			t.Errorf("%d samples came to the old sink", got-n)
		}
	})
}
