package schedule

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// stall is how long the lease of a test may not be renewed.
const stall = 1500 * time.Millisecond

func TestALeaseThatIsNotRenewedLapses(t *testing.T) {
	begin := time.Now()
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	l := NewLease(stall, at(0))
	f := func(now time.Duration, used bool, served time.Duration) {
		t.Helper()
		if got := l.Use(at(now)); got != used || l.Lapsed(at(now)) == used {
			t.Errorf("after %s: used: %t, want %t", now, got, used)
		}
		if got := l.Served(); !got.Equal(at(served).Round(0)) {
			t.Errorf("after %s: served until %s, want %s", now, got.Sub(begin.Round(0)), served)
		}
	}
	f(100*time.Millisecond, true, 100*time.Millisecond)
	l.Renew(at(250 * time.Millisecond))
	f(200*time.Millisecond, true, 250*time.Millisecond)
	f(1700*time.Millisecond, true, 1700*time.Millisecond)
	f(1800*time.Millisecond, false, 1700*time.Millisecond)
	f(time.Minute, false, 1700*time.Millisecond)
	l.Renew(at(time.Minute))
	f(time.Minute, true, time.Minute)
}

// While a machine sleeps its wall clock goes on alone.
func TestALeaseLapsesByTheWallClockToo(t *testing.T) {
	renewed := time.Now()
	l := NewLease(stall, renewed)
	for _, wall := range []time.Duration{time.Hour, -time.Hour} {
		if l.Use(renewed.Round(0).Add(wall)) {
			t.Errorf("the wall clock moved by %s and the lease holds", wall)
		}
	}
}

func TestWithoutALeaseThereIsNoLimit(t *testing.T) {
	var none *Lease
	if !none.Use(time.Now()) || none.Lapsed(time.Now()) {
		t.Error("no lease has lapsed")
	}
}

// lease gives d's clock a lease that the test renews.
func (d *desk) lease() *Lease {
	l := NewLease(stall, time.Now())
	d.clock.Follow(d.view, l)
	return l
}

// A process that was stopped serves nothing until its View is right again, and
// then what that says: nothing of after its window.
func TestAStoppedClockServesWhatTheViewSaysThen(t *testing.T) {
	f := func(fenced bool, wantLate int) {
		t.Helper()
		run(t, func(d *desk) {
			l := d.lease()
			d.view.Set(owner.NewView(owner.Member{Name: "me"}, owner.Member{Name: "other", From: time.Unix(1<<40, 0)}))
			d.clock.Set([]Entry{{Key: 1, Interval: time.Second}, {Key: 2, Interval: time.Second}, {Key: 3, Interval: time.Second}})
			if dues, _ := d.take(stall); len(dues) < 3 {
				t.Fatalf("%d slots before the stop", len(dues))
			}
			if dues, _ := d.take(10 * time.Second); len(dues) > 0 {
				t.Errorf("%d slots without a lease", len(dues))
			}
			if fenced {
				d.view.Set(owner.NewView(owner.Member{Name: "me", Until: l.Served().Add(time.Millisecond)},
					owner.Member{Name: "me", From: d.now().Add(5 * time.Second)}, owner.Member{Name: "other"}))
			}
			l.Renew(time.Now())
			dues, _ := d.take(leasePoll)
			late := 0
			for _, x := range dues {
				if x.Late > leasePoll {
					late++
				}
			}
			if late != wantLate {
				t.Errorf("fenced %t: %d slots from before waking, want %d: %v", fenced, late, wantLate, dues)
			}
		})
	}
	f(false, 3) // nobody took over: the latest of each
	f(true, 0)
}

// What was due before the stop and is too late now counts as missed.
func TestAStaleSlotOfAnEndedWindowIsMissed(t *testing.T) {
	f := func(late time.Duration, due, missed int) {
		t.Helper()
		now := time.Unix(1_800_000_000, 0)
		a := NewAgenda("me")
		a.Set(now, []Entry{{Key: 0, Interval: time.Minute}})
		slot := owner.NextSlot(0, time.Minute, now)
		r := a.Turn(slot.Add(late), owner.NewView(owner.Member{Name: "me", Until: slot.Add(time.Millisecond)}), false)
		if len(r.Due) != due || r.Missed != missed {
			t.Errorf("%s late: %d due, %d missed; want %d, %d", late, len(r.Due), r.Missed, due, missed)
		}
	}
	f(0, 1, 0)
	f(maxLate, 1, 0)
	f(maxLate+1, 0, 1)
	f(10*time.Minute, 0, 1) // of the nine after it nobody knows here
}

// A machine that slept finds its wall clock ahead.
func TestASleepingMachineServesNothingOfItsSleep(t *testing.T) {
	run(t, func(d *desk) {
		l := d.lease()
		d.clock.Set([]Entry{{Key: 2, Interval: 250 * time.Millisecond}})
		d.take(time.Second)
		d.step(time.Minute)
		woke := d.now()
		l.Renew(time.Now())
		dues, _ := d.take(time.Second)
		for _, x := range dues {
			if x.Slot.Before(woke) {
				t.Errorf("%+v", x)
			}
		}
		if len(dues) < 3 {
			t.Errorf("%d slots in the second after waking", len(dues))
		}
		synctest.Wait()
	})
}
