package scrape

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
)

const interval = 10 * time.Second

func TestPlannedChangesMissDoubleAndMarkNothing(t *testing.T) {
	play(t, 60, func(b *band) {
		start := time.Now()
		b.join("d")
		time.Sleep(12 * time.Second)
		b.leave("a")
		time.Sleep(3 * time.Second)
		b.join("e")
		b.leave("d")
		time.Sleep(4 * time.Second)
		b.join("a") // again, with what the others remember of its time
		b.leave("b")
		time.Sleep(40 * time.Second)
		b.expectEverySlotOnce(start, time.Now().Add(-time.Second))
		if late := b.metric("divvy_scrape_slots_late_total") + b.metric("divvy_scrape_slots_missed_total"); late > 0 {
			t.Errorf("%v slots late or missed", late)
		}
		if moved := b.metric("prometheus_scrape_targets_moved_total"); moved < 25 {
			t.Errorf("%v targets moved", moved)
		}
		if owned := b.metric("prometheus_scrape_targets_gauge"); owned != 60 {
			t.Errorf("%v targets owned; want 60", owned)
		}
	})
}

// What all nodes together serve in a second is what each says is shared: a
// monitoring system needs no more to see that slots are missed or doubled.
func TestSharedSlotsAreWhatAllServeTogether(t *testing.T) {
	play(t, 40, func(b *band) {
		before := b.metric("divvy_scrape_slots_served_total")
		time.Sleep(10 * interval)
		served := b.metric("divvy_scrape_slots_served_total") - before
		shared := b.metric("divvy_scrape_slots_shared_per_second") / 3 // each says the same
		if want := shared * (10 * interval).Seconds(); math.Abs(served-want) > 1e-6 || served != 400 {
			t.Errorf("%v slots served; want %v", served, want)
		}
	})
}

// Random histories of planned changes.
func TestPlannedHistoriesMissDoubleAndMarkNothing(t *testing.T) {
	for seed := range uint64(4) {
		play(t, 20, func(b *band) {
			r := rand.New(rand.NewPCG(seed, 5))
			start, serial := time.Now(), 0
			for range 12 {
				names := []string{}
				for name := range b.players {
					names = append(names, name)
				}
				slices.Sort(names)
				if len(names) < 2 || len(names) < 6 && r.IntN(2) == 0 {
					serial++
					b.join(fmt.Sprintf("n%d", serial))
				} else {
					b.leave(names[r.IntN(len(names))])
				}
				time.Sleep(time.Duration(r.IntN(15000)) * time.Millisecond)
			}
			time.Sleep(30 * time.Second)
			b.expectEverySlotOnce(start, time.Now().Add(-time.Second))
			if b.t.Failed() {
				t.Errorf("seed %d", seed)
			}
		})
	}
}

func TestCrashLeavesOneLateSlotAndNoMarker(t *testing.T) {
	play(t, 60, func(b *band) {
		start := time.Now()
		const known = 4 * time.Second
		var orphans []string
		for _, h := range b.hosts {
			if b.owner(h) == "b" {
				orphans = append(orphans, h)
			}
		}
		b.crash("b", known)
		time.Sleep(40 * time.Second)
		caught := 0
		for _, h := range b.hosts {
			late, last := 0, start.UnixMilli()
			key := owner.TargetKey(targets(h)[0])
			for _, p := range b.points(h, "up") {
				if p.ms < start.UnixMilli() {
					last = p.ms
					continue
				}
				if p.ms != owner.Slot(key, interval, time.UnixMilli(p.ms)).UnixMilli() {
					late++
				}
				if hole := p.ms - last; hole > (interval + 5*time.Second).Milliseconds() {
					t.Errorf("%s: a hole of %d ms", h, hole)
				}
				last = p.ms
			}
			if caught += late; late > 1 || late > 0 && !slices.Contains(orphans, h) {
				t.Errorf("%s: %d late slots", h, late)
			}
		}
		if n := b.metric("divvy_scrape_slots_caught_up_total"); int(n) != caught || caught == 0 {
			t.Errorf("%v caught up; counted %d", n, caught)
		}
		b.expectNoMarkers()
	})
}

func TestPartsOfAPartitionCoverAllAndMarkNothing(t *testing.T) {
	play(t, 40, func(b *band) {
		cut := time.Now().Round(0)
		all := map[string]owner.Member{}
		time.Sleep(3 * time.Second)
		for name, m := range b.members {
			all[name] = m
		}
		gone := func(names ...string) {
			for name, m := range all {
				b.members[name] = m
				if slices.Contains(names, name) {
					m.Until = cut
					b.members[name] = m
				}
			}
		}
		gone("b", "c")
		b.agree("a")
		gone("a")
		b.agree("b", "c")
		time.Sleep(60 * time.Second)
		for _, h := range b.hosts {
			sides := map[bool]int{}
			for _, p := range b.points(h, "up") {
				if at := time.UnixMilli(p.ms); at.After(cut.Add(20 * time.Second)) {
					sides[p.node == "a"]++
				}
			}
			if sides[true] < 4 || sides[false] < 4 {
				t.Errorf("%s: served %v times by the sides", h, sides)
			}
		}
		gone()
		b.agree("b")
		time.Sleep(2 * time.Second)
		b.agree()
		healed := time.Now()
		time.Sleep(40 * time.Second)
		b.expectEverySlotOnce(healed, time.Now().Add(-time.Second))
		if n := b.metric("divvy_scrape_slots_caught_up_total"); n > 60 {
			t.Errorf("%v slots were caught up", n)
		}
	})
}

// The old owner marks the series of a target that dies while it moves, at the
// time of the new owner's first slot; the report series go on.
func TestTargetThatDiesInItsMoveIsMarkedOnce(t *testing.T) {
	play(t, 40, func(b *band) {
		before := map[string]string{}
		for _, h := range b.hosts {
			before[h] = b.owner(h)
		}
		b.join("d")
		moved := 0
		for _, h := range b.hosts {
			b.down(h)
		}
		time.Sleep(60 * time.Second)
		for _, h := range b.hosts {
			if b.owner(h) == "d" {
				moved++
			}
			ups := b.points(h, "up")
			first := slices.IndexFunc(ups, func(p point) bool { return p.value == "0" })
			for _, series := range []string{"x", "y"} {
				m := b.markers(h, series)
				if len(m) != 1 || m[0].ms != ups[first].ms || m[0].node != before[h] {
					t.Errorf("%s, of %s, then %s, down %s: %s is marked %v", h, before[h], b.owner(h), ups[first], series, m)
				}
			}
			if m := b.markers(h, "up"); len(m) > 0 {
				t.Errorf("%s: up is marked: %v", h, m)
			}
		}
		if moved < 3 {
			t.Errorf("%d targets moved", moved)
		}
	})
}

// A node that withdrew and comes back finds what it remembers out of date: the
// node that served meanwhile marks the series.
func TestTargetThatDiesOnItsWayBackIsMarkedOnce(t *testing.T) {
	play(t, 30, func(b *band) {
		delete(b.members, "b")
		b.agree()
		time.Sleep(12 * time.Second)
		b.members["b"] = owner.Member{Name: "b", From: time.Now().Round(0).Add(lead)}
		b.agree()
		time.Sleep(lead)
		for _, h := range b.hosts {
			b.down(h)
		}
		time.Sleep(40 * time.Second)
		for _, h := range b.hosts {
			if m := b.markers(h, "x"); len(m) != 1 {
				t.Errorf("%s of %s: x is marked %v", h, b.owner(h), m)
			}
		}
	})
}

// A target vanishes from the lists while it moves, from each at another time:
// one set of markers, and no sample after it.
func TestTargetThatVanishesInItsMoveIsMarkedOnce(t *testing.T) {
	for seed := range uint64(18) {
		play(t, 12, func(b *band) {
			r := rand.New(rand.NewPCG(seed, 6))
			from := time.Now().Round(0).Add(lead)
			b.members["d"] = owner.Member{Name: "d", From: from}
			b.start("d")
			b.agree()
			base := time.Duration(r.IntN(15000)) * time.Millisecond
			spread := []int{1, 500, 8000}[seed%3]
			for _, p := range b.players {
				b.wg.Go(func() {
					time.Sleep(base + time.Duration(rand.IntN(spread))*time.Millisecond)
					p.pool.SetTargets(nil)
				})
			}
			time.Sleep(60 * time.Second)
			for _, h := range b.hosts {
				for _, series := range []string{"x", "y", "up", "scrape_series_added"} {
					points := b.points(h, series)
					m := b.markers(h, series)
					if len(m) != 1 || points[len(points)-1] != m[0] {
						t.Errorf("seed %d, %s, now of %s: %s is marked %v; ends with %v", seed, h, b.owner(h), series, m, points[max(len(points)-4, 0):])
					}
				}
			}
			for _, p := range b.players {
				if held := p.sink.held(); len(held) > 0 {
					t.Errorf("seed %d: %s holds %v", seed, p.name, held)
				}
			}
		})
	}
}

// A target that vanishes while its node is about to leave is marked by that node
// before it is gone: nobody else knows its series.
func TestTargetThatVanishesWhileItsNodeLeavesIsMarkedOnce(t *testing.T) {
	for seed := range uint64(6) {
		play(t, 12, func(b *band) {
			before := map[string]string{}
			for _, h := range b.hosts {
				before[h] = b.owner(h)
			}
			after := time.Duration(rand.New(rand.NewPCG(seed, 7)).Int64N(int64(lead)))
			for _, p := range b.players {
				b.wg.Go(func() {
					time.Sleep(after)
					p.pool.SetTargets(nil)
				})
			}
			b.leave("a")
			time.Sleep(40 * time.Second)
			for _, h := range b.hosts {
				for _, series := range []string{"x", "up"} {
					points := b.points(h, series)
					m := b.markers(h, series)
					if len(m) != 1 || points[len(points)-1] != m[0] || m[0].node != before[h] {
						t.Errorf("seed %d, %s of %s: %s is marked %v; ends with %v", seed, h, before[h], series, m, points[max(len(points)-4, 0):])
					}
				}
			}
		})
	}
}

// A target that comes back within two intervals goes on with its memory; one
// that stays away is released.
func TestMemoryIsKeptForTwoIntervals(t *testing.T) {
	play(t, 30, func(b *band) {
		b.join("d")
		time.Sleep(8 * time.Second)
		b.leave("d")
		time.Sleep(25 * time.Second)
		for _, h := range b.hosts {
			added := b.points(h, "scrape_series_added")
			if n := slices.IndexFunc(added[1:], func(p point) bool { return p.value != "0" && p.node != "d" }); n >= 0 {
				t.Errorf("%s: series were new: %v", h, added)
			}
		}
		b.expectNoMarkers()
		total := 0
		b.join("e")
		time.Sleep(12 * time.Second)
		for _, p := range b.players {
			total += len(p.sink.held())
		}
		if total <= 30*7 {
			t.Errorf("%d series held shortly after a move; the old owners hold nothing", total)
		}
		time.Sleep(25 * time.Second)
		total = 0
		for _, p := range b.players {
			total += len(p.sink.held())
		}
		if total != 30*7 {
			t.Errorf("%d series held; want %d", total, 30*7)
		}
	})
}

// A node that its View does not know serves nothing; its targets have heirs.
func TestFencedNodeServesNothing(t *testing.T) {
	play(t, 30, func(b *band) {
		m := b.members["b"]
		delete(b.members, "b")
		b.agree()
		synctest.Wait()
		fenced := time.Now()
		time.Sleep(30 * time.Second)
		from := fenced.Add(2 * interval)
		b.expectEverySlotOnce(fenced, time.Now().Add(-time.Second))
		if owned := b.metric("prometheus_scrape_targets_gauge"); owned != 30 {
			t.Errorf("%v targets owned; want 30", owned)
		}
		m.From = time.Now().Round(0).Add(lead)
		b.members["b"] = m
		b.agree()
		time.Sleep(40 * time.Second)
		b.expectEverySlotOnce(from, time.Now().Add(-time.Second))
	})
}

// What ends long after its slot, because the process was stopped, is thrown
// away if another node may have served the slot meanwhile.
func TestOverdueScrapeIsDiscarded(t *testing.T) {
	f := func(shared bool) {
		play(t, 1, func(b *band) {
			for _, name := range []string{"a", "b", "c"} {
				if b.owner("h0:80") != name {
					b.kill(name)
					delete(b.members, name)
				}
			}
			if shared {
				b.members["z"] = owner.Member{Name: "z", Until: time.Unix(0, 0)}
			}
			b.agree()
			time.Sleep(interval)
			p := b.player(b.owner("h0:80"))
			before := len(b.points("h0:80", "up"))
			var walks []*walk.Walk
			for range cap(p.pool.walks) { // nobody gets a processor
				walks = append(walks, <-p.pool.walks)
			}
			time.Sleep(interval + 7*time.Second)
			for _, w := range walks {
				p.pool.walks <- w
			}
			synctest.Wait()
			kept, discarded := len(b.points("h0:80", "up"))-before, b.metric("divvy_scrape_slots_discarded_total")
			time.Sleep(3 * interval)
			if b.expectNoMarkers(); shared != (discarded > 0) || shared != (kept == 0) {
				t.Errorf("shared %t: %d scrapes kept, %v discarded", shared, kept, discarded)
			}
		})
	}
	f(true)
	f(false)
}

// Notes that make no sense change nothing.
func TestForeignNotesChangeNothing(t *testing.T) {
	play(t, 20, func(b *band) {
		start := time.Now()
		b.join("d")
		time.Sleep(11 * time.Second)
		for name, p := range b.players {
			for _, h := range b.hosts {
				key := owner.TargetKey(targets(h)[0])
				slot := owner.Slot(key, interval, time.Now().Round(0)).UnixMilli()
				stranger := word{fate: failed, slot: slot, key: key}
				p.pool.Told("stranger", encodeNote([]word{stranger}))
				p.pool.Told(name, encodeNote([]word{{fate: vanished, slot: slot, key: key}}))
				p.pool.Told("d", encodeNote([]word{{fate: vanished, slot: slot - 86_400_000, key: key}, {fate: vanished, slot: 1 << 60, key: key + 1}}))
			}
			p.pool.Told("d", []byte("rubbish"))
		}
		time.Sleep(20 * time.Second)
		b.expectEverySlotOnce(start, time.Now().Add(-time.Second))
	})
}
