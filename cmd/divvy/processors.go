package main

import (
	"context"
	"math"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Go hands every goroutine that becomes ready to an idle processor, if there is
// one, and wakes a thread for it. A collector that works for a few
// milliseconds and sleeps again has its caches on the wrong core then: on two
// processors the same scrapes cost half as much again as on one. So the
// scheduler has only as many as the load needs.
const (
	lookEvery = 2 * time.Second
	calmLooks = 5    // as many in a row before there are fewer processors
	fullShare = 0.7  // of the processors in use: all that there are, at once
	fairShare = 0.45 // of the processors in use, when there are fewer
)

// processors decides how many processors the scheduler uses. It begins with all.
type processors struct {
	most, now int
	calm      int // looks in a row at which fewer would have done
}

// next returns how many processors are to be used after a time in which busy
// of them were.
func (p *processors) next(busy float64) int {
	want := max(1, min(int(math.Ceil(busy/fairShare)), p.most))
	switch {
	case busy > fullShare*float64(p.now):
		p.now, p.calm = p.most, 0
	case want >= p.now:
		p.calm = 0
	default:
		if p.calm++; p.calm == calmLooks {
			p.now, p.calm = want, 0
		}
	}
	return p.now
}

// A throttle has the scheduler do what processors decides. The zero throttle
// leaves it alone until follow is called.
type throttle struct {
	mu sync.Mutex
	processors
}

// follow has the scheduler use as many processors as there is work for, until
// ctx is done, unless GOMAXPROCS is set.
func (t *throttle) follow(ctx context.Context, env func(string) string) {
	if runtime.GOMAXPROCS(0) == 1 || env("GOMAXPROCS") != "" {
		return
	}
	t.mu.Lock()
	t.most = runtime.GOMAXPROCS(0)
	t.now = t.most
	t.mu.Unlock()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	used, at := processorTime(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		u, now := processorTime(), time.Now()
		t.adapt(float64(u-used) / float64(now.Sub(at)))
		used, at = u, now
	}
}

// adapt has the scheduler follow a load that kept busy processors busy.
func (t *throttle) adapt(busy float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch before := t.now; {
	case t.next(busy) == before:
	case t.now < t.most:
		runtime.GOMAXPROCS(t.now)
	default:
		t.useAllLocked()
	}
}

// useAll has the scheduler use all processors for the next seconds at least. It
// is for the time in which a configuration is loaded: that is work, and
// components ask how many processors there are and keep to the answer.
func (t *throttle) useAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calm = 0
	if t.now < t.most {
		t.useAllLocked()
	}
}

// useAllLocked has the scheduler use all processors. What the container may use
// can have changed meanwhile. It needs mu.
func (t *throttle) useAllLocked() {
	runtime.SetDefaultGOMAXPROCS()
	t.most = runtime.GOMAXPROCS(0)
	t.now = t.most
}

// processorTime returns the time that all processors have spent for this
// process, 0 if it cannot be found out.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
