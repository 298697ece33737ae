package main

import (
	"os"
	"runtime"
	"testing"
)

// looks asks p about the same load n times and returns its last answer.
func (p *processors) looks(n int, busy float64) (now int) {
	for range n {
		now = p.next(busy)
	}
	return now
}

func TestProcessorsFollowTheLoad(t *testing.T) {
	f := func(p *processors, n int, busy float64, want int) {
		t.Helper()
		if got := p.looks(n, busy); got != want {
			t.Errorf("%d looks at %g processors busy: %d are used, want %d", n, busy, got, want)
		}
	}
	p := &processors{most: 8, now: 8}
	f(p, calmLooks-1, 0.02, 8) // a pause is no calm
	f(p, 1, 0.02, 1)
	f(p, 100, 0.4, 1)
	f(p, 1, 0.8, 8) // more work than one can do: all help at once
	f(p, calmLooks, 1.2, 3)
	f(p, calmLooks, 1.2, 3)
	f(p, 1, 2.2, 8)
	f(p, 100, 7.9, 8)
}

func TestCalmIsInARow(t *testing.T) {
	p := &processors{most: 2, now: 2}
	for range 3 * calmLooks {
		if p.looks(calmLooks-1, 0.1) != 2 || p.next(1) != 2 {
			t.Fatal("a load that comes and goes took a processor away")
		}
	}
}

func TestOneProcessorStaysOne(t *testing.T) {
	p := &processors{most: 1, now: 1}
	if got := p.looks(20, 1); got != 1 {
		t.Errorf("%d processors are used, want 1", got)
	}
}

// Components size what they have by the processors that are in use.
func TestLoadingUsesAllProcessors(t *testing.T) {
	all := runtime.GOMAXPROCS(0)
	if all == 1 || os.Getenv("GOMAXPROCS") != "" {
		t.Skip("there is no choice of processors")
	}
	defer runtime.GOMAXPROCS(all)
	var th throttle
	th.useAll()
	if n := runtime.GOMAXPROCS(0); n != all {
		t.Fatalf("a throttle that follows nothing has set %d processors", n)
	}
	th.processors = processors{most: 64, now: 64}
	for range calmLooks {
		th.adapt(0.1)
	}
	if n := runtime.GOMAXPROCS(0); n != 1 || th.now != 1 {
		t.Fatalf("%d processors are used in a calm, %d are said to be", n, th.now)
	}
	th.useAll()
	if n := runtime.GOMAXPROCS(0); n == 1 || th.now != n || th.most != n {
		t.Errorf("%d processors are used while loading; %d of %d are said to be", n, th.now, th.most)
	}
}
