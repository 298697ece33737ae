package owner

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTickDividesIntoATwentieth(t *testing.T) {
	f := func(interval, want time.Duration) {
		t.Helper()
		if got := Tick(interval); got != want {
			t.Errorf("Tick(%s) = %s; want %s", interval, got, want)
		}
	}
	f(time.Minute, 250*time.Millisecond)
	f(10*time.Second, 250*time.Millisecond)
	f(5*time.Second, 250*time.Millisecond)
	f(time.Second, 50*time.Millisecond)
	f(10*time.Millisecond, time.Millisecond)
	f(time.Millisecond, time.Millisecond)
}

// A slot is at or before now and less than an interval old; the next one is an
// interval later; both are on the grid of ticks; and every machine agrees,
// because nothing but key, interval and time goes in.
func TestSlotsAreOnePerInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		key := Key(r.Uint64())
		interval := time.Duration(1+r.IntN(120_000)) * time.Millisecond
		now := time.Unix(r.Int64N(4e9)-1e9, r.Int64N(1e9))
		slot, next := Slot(key, interval, now), NextSlot(key, interval, now)
		if slot.After(now) || now.Sub(slot) >= interval {
			t.Fatalf("slot %s of now %s is not the latest one", slot, now)
		}
		if next.Sub(slot) != interval {
			t.Fatalf("next slot is %s after the latest one; want %s", next.Sub(slot), interval)
		}
		if phase := Phase(key, interval); phase < 0 || phase >= interval || phase%Tick(interval) != 0 {
			t.Fatalf("phase %s of interval %s", phase, interval)
		}
		if again := Slot(key, interval, slot); !again.Equal(slot) {
			t.Fatalf("the slot at %s is %s", slot, again)
		}
		if before := Slot(key, interval, slot.Add(-1)); slot.Sub(before) != interval {
			t.Fatalf("the slot just before %s is %s", slot, before)
		}
	}
}

func TestPhasesSpreadOverTheInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	count := map[time.Duration]int{}
	for range 40_000 {
		count[Phase(Key(r.Uint64()), 10*time.Second)]++
	}
	if len(count) != 40 {
		t.Errorf("%d ticks are used; want 40", len(count))
	}
	for tick, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 40,000 keys at %s; want about 1,000", n, tick)
		}
	}
}
