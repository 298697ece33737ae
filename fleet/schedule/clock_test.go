package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A desk runs a clock and writes down what it serves. Its wall clock can be
// moved.
type desk struct {
	clock *Clock
	view  *cell.Cell[owner.View]

	mu    sync.Mutex
	shift time.Duration
	calls int
	dues  []Due
	lost  []Lost
	skips int
}

func newDesk() *desk {
	d := &desk{view: cell.New(owner.Alone("me"))}
	d.clock = New(Config{Self: "me", View: d.view, Serve: d.serve, now: d.now})
	return d
}

// run calls f in a bubble with a running clock.
func run(t *testing.T, f func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.clock.Run(ctx) }()
		f(d)
		cancel()
		<-done
	})
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Round(0).Add(d.shift)
}

func (d *desk) serve(r Round) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.dues = append(d.dues, r.Due...)
	d.lost = append(d.lost, r.Lost...)
	d.skips += r.Missed
}

// step moves the wall clock.
func (d *desk) step(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shift += by
}

// take waits for a while and returns what was served meanwhile.
func (d *desk) take(wait time.Duration) (dues []Due, calls int) {
	time.Sleep(wait)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	dues, calls = d.dues, d.calls
	d.dues, d.calls = nil, 0
	return dues, calls
}

func TestEverySlotIsServedOnceOnTime(t *testing.T) {
	run(t, func(d *desk) {
		r := rand.New(rand.NewPCG(1, 1))
		var entries []Entry
		for range 500 {
			entries = append(entries, Entry{Key: owner.Key(r.Uint64()), Interval: time.Duration(1+r.IntN(20)) * time.Second})
		}
		d.clock.Set(entries)
		start := d.now()
		dues, _ := d.take(time.Minute)
		served := map[owner.Key][]time.Time{}
		for _, x := range dues {
			served[x.Key] = append(served[x.Key], x.Slot)
			if x.Late != 0 {
				t.Fatalf("slot %s is %s late", x.Slot, x.Late)
			}
		}
		for _, e := range entries {
			var want []time.Time
			for s := owner.NextSlot(e.Key, e.Interval, start); !s.After(start.Add(time.Minute)); s = s.Add(e.Interval) {
				want = append(want, s)
			}
			if !slices.EqualFunc(served[e.Key], want, time.Time.Equal) {
				t.Fatalf("key %x every %s: served %v; want %v", e.Key, e.Interval, served[e.Key], want)
			}
		}
	})
}

func TestOneCallServesATick(t *testing.T) {
	run(t, func(d *desk) {
		var entries []Entry
		for i := range 1000 {
			entries = append(entries, Entry{Key: owner.StringKey(fmt.Sprint(i)), Interval: 10 * time.Second})
		}
		d.clock.Set(entries)
		dues, calls := d.take(10 * time.Second)
		if len(dues) != 1000 || calls != 40 {
			t.Errorf("%d slots in %d calls; want 1000 in 40", len(dues), calls)
		}
	})
}

func TestOnlyOwnSlotsAreServed(t *testing.T) {
	run(t, func(d *desk) {
		const key = owner.Key(12345)
		d.clock.Set([]Entry{{Key: key, Interval: time.Second}})
		d.view.Set(owner.Alone("other"))
		if dues, _ := d.take(5 * time.Second); len(dues) != 0 {
			t.Errorf("served the other's slots: %v", dues)
		}
		// The other serves up to a date, then we do: no slot is missed or doubled.
		at := d.now().Add(3 * time.Second).Truncate(time.Second)
		d.view.Set(owner.NewView(owner.Member{Name: "other", Until: at}, owner.Member{Name: "me", From: at}))
		dues, _ := d.take(6 * time.Second)
		if len(dues) != 3 && len(dues) != 4 || dues[0].Slot.Before(at) || !dues[0].Slot.Before(at.Add(time.Second)) {
			t.Errorf("served %v; want every slot from %s on", dues, at)
		}
	})
}

func TestFollowChangesTheView(t *testing.T) {
	run(t, func(d *desk) {
		d.clock.Set([]Entry{{Key: 1, Interval: time.Second}})
		d.clock.Follow(cell.New(owner.Alone("other")), nil)
		if dues, _ := d.take(5 * time.Second); len(dues) != 0 {
			t.Errorf("served the other's slots: %v", dues)
		}
	})
}

func TestKeptKeysKeepTheirPlace(t *testing.T) {
	run(t, func(d *desk) {
		d.clock.Set([]Entry{{Key: 1, Interval: 10 * time.Second}, {Key: 2, Interval: 10 * time.Second}})
		n := 0
		for range 30 { // the list changes more often than slots come
			d.clock.Set([]Entry{{Key: 1, Interval: 10 * time.Second}})
			dues, _ := d.take(time.Second)
			n += len(dues)
		}
		if n != 3 {
			t.Errorf("%d slots in 30 s; want 3", n)
		}
	})
}

func TestAnotherIntervalStartsWithItsNextSlot(t *testing.T) {
	run(t, func(d *desk) {
		d.clock.Set([]Entry{{Key: 7, Interval: 10 * time.Second}})
		d.take(25 * time.Second)
		d.clock.Set([]Entry{{Key: 7, Interval: time.Second}})
		if dues, _ := d.take(5 * time.Second); len(dues) != 5 {
			t.Errorf("%d slots in 5 s; want 5", len(dues))
		}
	})
}

// A delay serves the latest slot, late, and none of those before.
func TestDelayServesTheLatestSlot(t *testing.T) {
	run(t, func(d *desk) {
		d.clock.Set([]Entry{{Key: 0, Interval: time.Second}})
		d.take(3 * time.Second)
		base := time.Now()
		// The step is small enough to count as a delay, not as a step.
		d.step(200 * time.Millisecond)
		dues, _ := d.take(time.Second)
		if len(dues) != 1 || dues[0].Late != 200*time.Millisecond {
			t.Errorf("served %v after %s; want one slot, 200 ms late", dues, base)
		}
	})
}

func TestStepForwardMakesNoBurst(t *testing.T) {
	run(t, func(d *desk) {
		var entries []Entry
		for i := range 200 {
			entries = append(entries, Entry{Key: owner.StringKey(fmt.Sprint(i)), Interval: 20 * time.Second})
		}
		d.clock.Set(entries)
		d.take(30 * time.Second)
		d.step(time.Hour)
		seen := map[owner.Key]int{}
		for range 80 {
			dues, _ := d.take(250 * time.Millisecond)
			if len(dues) > 20 {
				t.Fatalf("%d slots in one tick", len(dues))
			}
			for _, x := range dues {
				if seen[x.Key]++; x.Late > maxStep {
					t.Fatalf("slot %s is %s late", x.Slot, x.Late)
				}
			}
		}
		if len(seen) < 180 {
			t.Errorf("%d of 200 keys were served within an interval of the step", len(seen))
		}
	})
}

func TestStepBackRepeatsNoSlot(t *testing.T) {
	run(t, func(d *desk) {
		d.clock.Set([]Entry{{Key: 3, Interval: time.Second}, {Key: 400_000_000, Interval: 5 * time.Second}})
		last := map[owner.Key]time.Time{}
		total := 0
		check := func(wait time.Duration) {
			t.Helper()
			dues, _ := d.take(wait)
			for _, x := range dues {
				if !x.Slot.After(last[x.Key]) {
					t.Fatalf("key %x: slot %s after %s", x.Key, x.Slot, last[x.Key])
				}
				last[x.Key] = x.Slot
			}
			total = len(dues)
		}
		check(20 * time.Second)
		d.step(-10 * time.Second)
		check(9 * time.Second)
		if total != 0 {
			t.Errorf("%d slots while the clock caught up", total)
		}
		check(20 * time.Second)
		if total < 20 {
			t.Errorf("%d slots once it had; want at least 20", total)
		}
	})
}

func TestNothingIsServedAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.clock.Set([]Entry{{Key: 1, Interval: time.Second}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		d.clock.Run(ctx)
		d.take(0)
		if dues, _ := d.take(time.Minute); len(dues) != 0 {
			t.Errorf("served %v after Run", dues)
		}
	})
}

func BenchmarkTick(b *testing.B) {
	c := New(Config{Self: "me", View: cell.New(owner.Alone("me"))})
	var entries []Entry
	for i := range 10_000 {
		entries = append(entries, Entry{Key: owner.StringKey(fmt.Sprint(i)), Interval: 10 * time.Second})
	}
	c.Set(entries)
	now, view := time.Now().Round(0), c.view.Load()
	n := 0
	for b.Loop() {
		now = now.Add(250 * time.Millisecond)
		n += len(c.turn(now, view, false).Due)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(n, 1)), "ns/slot")
}
