package schedule

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAlarmRingsOnceForEachTimeThatItIsSet(t *testing.T) {
	a := newAlarm()
	defer a.stop()
	for _, d := range []time.Duration{0, -time.Second, time.Millisecond, 5 * time.Millisecond} {
		start := time.Now()
		a.set(time.Hour)
		a.set(d)
		<-a.C
		if took := time.Since(start); took < d {
			t.Errorf("rang after %s; want %s", took, d)
		}
		select {
		case <-a.C:
			t.Error("rang twice")
		default:
		}
	}
}

// In a time of its own a process cannot use the kernel's timers.
func TestAlarmRingsInTheTimeOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarm()
		defer a.stop()
		if a.kernel != nil {
			t.Error("the alarm is the kernel's")
		}
		start := time.Now()
		a.set(time.Hour)
		if <-a.C; time.Since(start) != time.Hour {
			t.Errorf("rang after %s", time.Since(start))
		}
	})
}
