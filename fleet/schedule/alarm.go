package schedule

import "time"

// An alarm rings once after each set, like a time.Timer. One that was set again
// before may ring once too often.
//
// Where it can it is a timer of the kernel's. For a timer of its own the runtime
// wakes up twice, because its poller counts in milliseconds, and wakes its
// monitor thread as well, which then interrupts what is done at the tick.
type alarm struct {
	C      <-chan time.Time
	timer  *time.Timer // of the runtime
	kernel *kernelTimer
}

// newAlarm returns an alarm that is not set. stop must follow.
func newAlarm() *alarm {
	if k, err := openKernelTimer(); err == nil {
		return &alarm{C: k.rung, kernel: k}
	}
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{C: t.C, timer: t}
}

// set has it ring in d.
func (a *alarm) set(d time.Duration) {
	if a.kernel != nil {
		a.kernel.set(d)
		return
	}
	a.timer.Reset(d)
}

// stop gives back what it has taken. It must not be set again.
func (a *alarm) stop() {
	if a.kernel != nil {
		a.kernel.close()
		return
	}
	a.timer.Stop()
}
