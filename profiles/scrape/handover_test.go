package scrape

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSettledFleetTakesEveryProfileOnce(t *testing.T) {
	play(t, 30, func(b *band) {
		start := time.Now()
		pass(10 * interval)
		b.expectWhole(start, time.Now().Add(-interval), nil)
		if n := b.metric("divvy_profile_targets"); n != 30 {
			t.Errorf("%v targets owned", n)
		}
		if n := b.metric("divvy_profile_slots_missed_total") + b.metric("divvy_profiles_failed_total"); n > 0 {
			t.Errorf("%v slots missed or profiles failed", n)
		}
	})
}

// Moves by plan lose nothing and count nothing twice: baselines go along, and
// profiles of the CPU in flight are finished by the node that began them.
func TestPlannedMovesKeepEveryDelta(t *testing.T) {
	play(t, 40, func(b *band) {
		start := time.Now()
		b.join("d")
		pass(22 * time.Second)
		b.leave("a")
		pass(3 * time.Second)
		b.join("e")
		b.leave("d")
		pass(4 * time.Second)
		b.join("a") // again
		b.leave("b")
		pass(70 * time.Second)
		b.expectWhole(start, time.Now().Add(-interval), nil)
		received := b.metric("divvy_profile_baselines_received_total")
		if moved := b.metric("divvy_profile_targets_moved_total"); moved < 15 || received < moved {
			t.Errorf("%v targets moved, %v baselines received", moved, received)
		}
		if n := b.metric("divvy_profile_slots_missed_total") + b.metric("divvy_profiles_failed_total"); n > 0 {
			t.Errorf("%v slots missed or profiles failed", n)
		}
		if n := b.metric("divvy_profile_deltas_begun_total"); n != 40 {
			t.Errorf("%v deltas begun; want 40", n)
		}
	})
}

// Random histories of planned changes.
func TestPlannedHistoriesKeepEveryDelta(t *testing.T) {
	for seed := range uint64(3) {
		play(t, 20, func(b *band) {
			r := rand.New(rand.NewPCG(seed, 5))
			start := time.Now()
			for serial := range 10 {
				names := []string{}
				for name := range b.players {
					names = append(names, name)
				}
				slices.Sort(names)
				if len(names) < 2 || len(names) < 6 && r.IntN(2) == 0 {
					b.join(fmt.Sprintf("n%d", serial))
				} else {
					b.leave(names[r.IntN(len(names))])
				}
				pass(time.Duration(r.IntN(20000)) * time.Millisecond)
			}
			pass(60 * time.Second)
			b.expectWhole(start, time.Now().Add(-interval), nil)
			if b.t.Failed() {
				t.Errorf("seed %d", seed)
			}
		})
	}
}

// A crash loses what was counted since the last delta of its targets, and the
// delta after that says so. Nothing is invented, and nothing comes twice.
func TestCrashIsMarkedAndNotInvented(t *testing.T) {
	play(t, 40, func(b *band) {
		orphans := map[string]bool{}
		for _, h := range b.hosts {
			orphans[h] = b.owner(h) == "b"
		}
		b.crash("b", 4*time.Second)
		pass(6 * interval)
		for _, h := range b.hosts {
			marked := 0
			list := b.of(h, "memory")
			for i, u := range list[1:] {
				gap := u.at.Add(-u.took).Sub(list[i].at)
				if len(u.comments) > 0 {
					marked++
				}
				if gap < 0 || gap > 0 && (len(u.comments) == 0 || gap > interval+5*time.Second) || u.value != u.took.Milliseconds() {
					t.Errorf("%s: a hole of %s before %+v", h, gap, u)
				}
			}
			if want := map[bool]int{true: 1}[orphans[h]]; marked != want {
				t.Errorf("%s: %d deltas are marked; want %d", h, marked, want)
			}
			cpu := b.of(h, "process_cpu")
			for i, u := range cpu[1:] {
				if hole := u.at.Add(-u.took).Sub(cpu[i].at); hole < 0 || hole > interval+interval+5*time.Second {
					t.Errorf("%s: %s between profiles of the CPU", h, hole)
				}
			}
		}
		if n := b.metric("divvy_profile_slots_caught_up_total"); n == 0 {
			t.Error("no slot was caught up")
		}
	})
}

// A note that is lost makes a hole, which is marked; not a delta too much.
func TestLostNoteIsMarked(t *testing.T) {
	play(t, 40, func(b *band) {
		b.mu.Lock()
		b.lose = true
		b.mu.Unlock()
		before := map[string]string{}
		for _, h := range b.hosts {
			before[h] = b.owner(h)
		}
		b.join("d")
		pass(6 * interval)
		gaps := map[string]bool{}
		for _, h := range b.hosts {
			if b.owner(h) != before[h] {
				gaps[h] = true
			}
		}
		if len(gaps) == 0 {
			t.Fatal("nothing moved")
		}
		for _, h := range b.hosts {
			list := b.of(h, "memory")
			for i, u := range list[1:] {
				gap := u.at.Add(-u.took).Sub(list[i].at)
				if gap < 0 || (gap > 0) != (len(u.comments) > 0) || gap > 0 && !gaps[h] {
					t.Errorf("%s: a hole of %s before %+v", h, gap, u)
				}
			}
		}
	})
}
