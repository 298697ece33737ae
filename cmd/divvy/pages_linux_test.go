package main

import (
	"slices"
	"testing"
)

// A sweep is invisible but for the memory: it takes away every page that nobody
// reads, and it ends.
func TestTrimKeepsTheProgramWorking(t *testing.T) {
	if _, err := (span{0, 0}).present(); err != nil {
		t.Skip(err) // no page map here
	}
	var tr trimmer
	before := resident(t)
	for steps := 0; tr.swept == 0; steps++ {
		if _, err := tr.step(); err != nil {
			t.Fatal(err)
		}
		if steps > 100 {
			t.Fatal("the sweep does not end")
		}
	}
	if after := resident(t); after > before/2 {
		t.Errorf("%d of %d pages are still there", after, before)
	}
}

// A second sweep takes nothing away before it knows what is read.
func TestTrimBeginsLaterSweepsGently(t *testing.T) {
	tr := trimmer{swept: 1}
	before := resident(t)
	if _, err := tr.step(); err != nil {
		t.Fatal(err)
	}
	if after := resident(t); after < before {
		t.Errorf("%d of %d pages are left", after, before)
	}
}

// resident returns how many pages of the program are in memory.
func resident(t *testing.T) (n int) {
	t.Helper()
	spans, err := programSpans()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spans {
		present, err := s.present()
		if err != nil {
			t.Skip(err)
		}
		for len(present) > 0 {
			i := slices.Index(present, true)
			if i < 0 {
				break
			}
			n, present = n+1, present[i+1:]
		}
	}
	return n
}
