package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// takeLost waits like take and returns what was told as lost, and the number
// of slots that were missed.
func (d *desk) takeLost(wait time.Duration) (lost []Lost, missed int) {
	d.take(wait)
	d.mu.Lock()
	defer d.mu.Unlock()
	lost, missed = d.lost, d.skips
	d.lost, d.skips = nil, 0
	return lost, missed
}

// manyKeys returns n entries every interval.
func manyKeys(n int, interval time.Duration) []Entry {
	r := rand.New(rand.NewPCG(9, uint64(n)))
	var entries []Entry
	for range n {
		entries = append(entries, Entry{Key: owner.Key(r.Uint64()), Interval: interval})
	}
	return entries
}

// dead returns the View of me and a node that died.
func dead(name string, at time.Time) owner.View {
	return owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: name, Until: at})
}

func TestHeirCatchesUpTheLatestSlotWithinASecond(t *testing.T) {
	run(t, func(d *desk) {
		const interval = 5 * time.Second
		both := owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other"})
		d.view.Set(both)
		entries := manyKeys(400, interval)
		d.clock.Set(entries)
		d.take(12 * time.Second)
		death := d.now()
		d.takeLost(8*time.Second + 120*time.Millisecond)
		known := d.now()
		d.view.Set(dead("other", death))
		synctest.Wait()
		dues, _ := d.take(time.Second)
		_, missed := d.takeLost(0)
		caught := map[owner.Key]time.Time{}
		for _, x := range dues {
			if x.CaughtUp {
				caught[x.Key] = x.Slot
			}
		}
		wantMissed := 0
		for _, e := range entries {
			latest := owner.Slot(e.Key, interval, known)
			older := 0
			for s := latest.Add(-interval); !s.Before(death); s = s.Add(-interval) {
				older++
			}
			m, _ := both.Owner(e.Key, latest)
			tooLate := owner.NextSlot(e.Key, interval, known).Sub(known) < minGap
			at, was := caught[e.Key]
			if m.Name == "other" {
				wantMissed += older
				if tooLate {
					wantMissed++
				}
			}
			if want := m.Name == "other" && !tooLate; was != want || was && !at.Equal(latest) {
				t.Errorf("key %x of %s: caught up %t %s; want %t %s", e.Key, m.Name, was, at, want, latest)
			}
		}
		if missed != wantMissed || len(caught) < 100 {
			t.Errorf("%d slots missed, want %d; %d caught up", missed, wantMissed, len(caught))
		}
	})
}

// What is caught up does not come at once.
func TestCaughtUpSlotsAreSpread(t *testing.T) {
	run(t, func(d *desk) {
		d.view.Set(owner.Alone("other"))
		d.clock.Set(manyKeys(2000, 20*time.Second))
		d.take(30 * time.Second)
		d.view.Set(dead("other", d.now().Add(-20*time.Second)))
		synctest.Wait()
		most := 0
		for range 20 {
			dues, _ := d.take(50 * time.Millisecond)
			most = max(most, len(dues))
		}
		if most > 300 {
			t.Errorf("%d slots of 2000 in 50 ms", most)
		}
	})
}

func TestPlannedChangesCatchNothingUp(t *testing.T) {
	run(t, func(d *desk) {
		d.view.Set(owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other"}))
		d.clock.Set(manyKeys(200, 5*time.Second))
		d.take(12 * time.Second)
		d.view.Set(dead("other", d.now().Add(5*time.Second)))
		d.takeLost(0)
		dues, _ := d.take(20 * time.Second)
		for _, x := range dues {
			if x.CaughtUp || x.Late > 0 {
				t.Fatalf("%+v", x)
			}
		}
		if _, missed := d.takeLost(0); missed > 0 {
			t.Errorf("%d slots missed", missed)
		}
	})
}

// A node that withdraws says until when it served; so it does if it says in the
// same breath when it comes back. What came after that is caught up, and nothing
// before.
func TestAfterAFenceTheSlotsSinceThenAreCaughtUp(t *testing.T) {
	f := func(back bool) {
		t.Helper()
		run(t, func(d *desk) {
			d.view.Set(owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other"}))
			entries := manyKeys(400, 10*time.Second)
			d.clock.Set(entries)
			d.take(50 * time.Second)
			fenced, known := d.now().Add(-3*time.Second), d.now()
			members := []owner.Member{{Name: "me"}, {Name: "other", Until: fenced}}
			if back {
				members = append(members, owner.Member{Name: "other", From: known.Add(5 * time.Second)})
			}
			theirs := d.view.Load()
			d.view.Set(owner.NewView(members...))
			synctest.Wait()
			dues, _ := d.take(time.Second)
			caught := map[owner.Key]bool{}
			for _, x := range dues {
				if x.CaughtUp {
					caught[x.Key] = true
				}
			}
			for _, e := range entries {
				slot := owner.Slot(e.Key, e.Interval, known)
				m, _ := theirs.Owner(e.Key, slot)
				near := slot.Add(e.Interval).Sub(known) < minGap
				if want := m.Name == "other" && !slot.Before(fenced) && !near; caught[e.Key] != want {
					t.Errorf("back %t: slot %s before, fenced 3 s before: caught up: %t", back, known.Sub(slot), !want)
				}
			}
		})
	}
	f(false)
	f(true)
}

// Who merely vanishes from the View may have served.
func TestWithoutAWordOfItsEndNothingIsCaughtUp(t *testing.T) {
	run(t, func(d *desk) {
		d.view.Set(owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other"}))
		d.clock.Set(manyKeys(400, 10*time.Second))
		d.take(50 * time.Second)
		d.view.Set(owner.Alone("me"))
		synctest.Wait()
		dues, _ := d.take(time.Second)
		for _, x := range dues {
			if x.CaughtUp {
				t.Fatalf("%+v", x)
			}
		}
	})
}

// A joining node moves its date, and word of it comes late: it has served
// nothing yet.
func TestSlotsBeforeAMovedDateAreCaughtUp(t *testing.T) {
	run(t, func(d *desk) {
		first := d.now().Add(20 * time.Second)
		other := owner.Member{Name: "other", From: first}
		d.clock.Set(manyKeys(400, 10*time.Second))
		d.view.Set(owner.NewView(owner.Member{Name: "me"}, other))
		d.take(24 * time.Second)
		moved := owner.Member{Name: "other", From: d.now().Add(2 * time.Second)}
		other.Until = first // it was called off
		d.view.Set(owner.NewView(owner.Member{Name: "me"}, other, moved))
		synctest.Wait()
		dues, _ := d.take(time.Second)
		caught := 0
		for _, x := range dues {
			if x.CaughtUp {
				caught++
			}
		}
		if caught < 50 || caught > 110 { // 4 s of 10, of half of 400
			t.Errorf("%d slots were caught up", caught)
		}
	})
}

func TestSlotsFromBeforeTheKeyAreNotCaughtUp(t *testing.T) {
	run(t, func(d *desk) {
		d.view.Set(owner.Alone("other"))
		d.take(20 * time.Second)
		d.clock.Set(manyKeys(100, 10*time.Second))
		d.view.Set(dead("other", d.now().Add(-time.Second)))
		synctest.Wait()
		if dues, _ := d.take(0); len(dues) > 0 {
			t.Errorf("served %v", dues[0])
		}
	})
}

// The engine hears who goes on with a key, for three slots, and who had it
// before.
func TestLostAndGainedKeysAreTold(t *testing.T) {
	run(t, func(d *desk) {
		const key = owner.Key(12345)
		d.clock.Set([]Entry{{Key: key, Interval: time.Second}})
		d.take(3500 * time.Millisecond)
		view := func(join, back time.Duration) owner.View {
			at := d.now().Truncate(time.Second)
			return owner.NewView(owner.Member{Name: "me", Until: at.Add(join)}, owner.Member{Name: "me", From: at.Add(back)},
				owner.Member{Name: "other", From: at.Add(join)})
		}
		d.view.Set(view(2*time.Second, time.Hour))
		lost, _ := d.takeLost(10 * time.Second)
		if len(lost) != MaxLost {
			t.Fatalf("told as lost: %v", lost)
		}
		for i, l := range lost {
			if l.Key != key || l.Owner != "other" || l.Slots != i+1 || i > 0 && l.Slot.Sub(lost[i-1].Slot) != time.Second {
				t.Errorf("lost slot %d: %+v", i, l)
			}
		}
		mine := owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other"})
		if m, _ := mine.Owner(key, d.now()); m.Name != "me" {
			mine = owner.NewView(owner.Member{Name: "me", From: d.now()}, owner.Member{Name: "other", Until: d.now()})
		}
		d.view.Set(mine)
		dues, _ := d.take(3 * time.Second)
		if len(dues) != 3 || dues[1].From != "" {
			t.Errorf("due: %+v", dues)
		}
	})
}

func TestGainedKeyNamesItsFormerOwner(t *testing.T) {
	run(t, func(d *desk) {
		entries := manyKeys(50, time.Second)
		d.view.Set(owner.Alone("other"))
		d.clock.Set(entries)
		d.take(5 * time.Second)
		joined := d.now().Add(time.Second)
		d.view.Set(owner.NewView(owner.Member{Name: "me", From: joined}, owner.Member{Name: "other"}))
		dues, _ := d.take(5 * time.Second)
		named := map[owner.Key]int{}
		served := map[owner.Key]bool{}
		for _, x := range dues {
			if first := !served[x.Key]; first != (x.From == "other") {
				t.Fatalf("%+v; first: %t", x, first)
			}
			served[x.Key] = true
			named[x.Key]++
		}
		if len(served) < 10 || len(served) > 40 {
			t.Fatalf("gained %d of 50 keys", len(served))
		}
		left := d.now().Add(time.Second)
		d.view.Set(owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other", Until: left}))
		dues, _ = d.take(5 * time.Second)
		for _, x := range dues {
			if first := !served[x.Key]; first != (x.From == "other") {
				t.Fatalf("%+v, of who has left; first: %t", x, first)
			}
			served[x.Key] = true
		}
	})
}

// A slot that has come is served although Run is told to stop at the same
// instant.
func TestSlotAtTheEndIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			d := newDesk()
			d.clock.Set([]Entry{{Key: 0, Interval: time.Second}})
			end := owner.NextSlot(0, time.Second, d.now())
			ctx, cancel := context.WithDeadline(t.Context(), end)
			d.clock.Run(ctx)
			cancel()
			if dues, _ := d.take(0); len(dues) != 1 {
				t.Fatalf("%d slots", len(dues))
			}
		}
	})
}

// A dumb clock looks at every key again and again.
type dumb struct {
	entries []Entry
	start   time.Time
	served  map[string]int
	last    map[owner.Key]time.Time
	view    owner.View
}

func (d *dumb) serve(key owner.Key, slot time.Time, late bool) {
	d.served[fmt.Sprintf("%x %d %t", key, slot.UnixNano(), late)]++
	d.last[key] = slot
}

func (d *dumb) mine(v owner.View, key owner.Key, slot time.Time) bool {
	m, ok := v.Owner(key, slot)
	return ok && m.Name == "me"
}

// pass serves the slots in (from, to] that are ours.
func (d *dumb) pass(from, to time.Time) {
	for _, e := range d.entries {
		for s := owner.NextSlot(e.Key, e.Interval, from); !s.After(to); s = s.Add(e.Interval) {
			if d.mine(d.view, e.Key, s) {
				d.serve(e.Key, s, false)
			}
		}
	}
}

// over reports whether the window that contains the slot has ended.
func (d *dumb) over(v owner.View, key owner.Key, slot, now time.Time) bool {
	m, _ := v.Owner(key, slot)
	return !m.Until.IsZero() && !now.Before(m.Until)
}

// change takes another View.
func (d *dumb) change(now time.Time, view owner.View) {
	ended := func(former owner.Member) bool {
		for _, m := range view.Members() {
			if m.Name == former.Name && m.From.Equal(former.From) && !m.Until.IsZero() {
				return true
			}
		}
		return false
	}
	for _, e := range d.entries {
		s := owner.Slot(e.Key, e.Interval, now)
		former, owned := d.view.Owner(e.Key, s)
		switch {
		case s.Before(d.start), !s.After(d.last[e.Key]), now.Sub(s) > maxAge:
		case !d.mine(view, e.Key, s), d.mine(d.view, e.Key, s):
		case owned && !ended(former):
		case s.Add(e.Interval).Sub(now) < minGap:
		case d.over(view, e.Key, s, now):
		default:
			d.serve(e.Key, s, true)
		}
	}
	d.view = view
}

// Whatever becomes of the View, the clock serves what a dumb one does.
func TestClockEqualsADumbOne(t *testing.T) {
	for seed := range uint64(20) {
		run(t, func(d *desk) {
			r := rand.New(rand.NewPCG(seed, 77))
			members := []owner.Member{{Name: "me"}, {Name: "a"}, {Name: "b"}}
			twin := &dumb{start: d.now(), served: map[string]int{}, last: map[owner.Key]time.Time{}}
			for i := range 40 {
				interval := []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 50 * time.Second}[i%4]
				twin.entries = append(twin.entries, Entry{Key: owner.Key(r.Uint64()), Interval: interval})
			}
			twin.view = owner.NewView(members...)
			d.view.Set(twin.view)
			d.clock.Set(twin.entries)
			for range 40 {
				from := d.now()
				time.Sleep(1500*time.Millisecond + time.Duration(r.IntN(8000))*time.Millisecond + 137*time.Microsecond)
				synctest.Wait()
				twin.pass(from, d.now())
				members = mutate(r, members, d.now())
				view := owner.NewView(members...)
				twin.change(d.now(), view)
				d.view.Set(view)
				synctest.Wait()
			}
			time.Sleep(time.Second)
			twin.pass(d.now().Add(-time.Second), d.now())
			dues, _ := d.take(0)
			got := map[string]int{}
			for _, x := range dues {
				got[fmt.Sprintf("%x %d %t", x.Key, x.Slot.UnixNano(), x.CaughtUp)]++
			}
			for s, n := range twin.served {
				if got[s] != n {
					t.Errorf("seed %d: slot %s served %d times; want %d", seed, s, got[s], n)
				}
			}
			for s, n := range got {
				if twin.served[s] != n {
					t.Errorf("seed %d: slot %s served %d times; want %d", seed, s, n, twin.served[s])
				}
			}
		})
	}
}

// mutate changes one member: it dies, leaves, joins or is forgotten.
func mutate(r *rand.Rand, members []owner.Member, now time.Time) []owner.Member {
	list := append([]owner.Member(nil), members...)
	i := r.IntN(len(list))
	m := &list[i]
	switch r.IntN(5) {
	case 0:
		m.Until = now.Add(-time.Duration(r.IntN(8000)) * time.Millisecond)
	case 1:
		m.Until = now.Add(5 * time.Second)
	case 2:
		*m = owner.Member{Name: m.Name, From: now.Add(5 * time.Second)}
	case 3:
		*m = owner.Member{Name: m.Name, From: m.From}
	default:
		list = append(list[:i], list[i+1:]...)
		list = append(list, owner.Member{Name: []string{"me", "a", "b", "c"}[r.IntN(4)], From: now.Add(5 * time.Second)})
	}
	return list
}
