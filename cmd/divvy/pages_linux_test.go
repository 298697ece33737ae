package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sweep is invisible but for the memory: it takes away every page that nobody
// reads, and it ends.
func TestTrimKeepsTheProgramWorking(t *testing.T) {
	if _, err := (span{0, 0}).look(); err != nil {
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
		seen, err := s.look()
		if err != nil {
			t.Skip(err)
		}
		for _, what := range seen {
			if what != absent {
				n++
			}
		}
	}
	return n
}

// What the loader has relocated is in read-only pages that no file has.
func TestPagesThatWereWrittenAreKept(t *testing.T) {
	size := os.Getpagesize()
	file, err := os.Create(filepath.Join(t.TempDir(), "program"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(make([]byte, 3*size)); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(file.Fd()), 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	b[size] = 'x'
	if err := unix.Mprotect(b, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	from := uintptr(unsafe.Pointer(&b[0]))
	s := span{from, from + uintptr(3*size)}
	if _, err := s.look(); err != nil {
		t.Skip(err)
	}
	_ = b[0]
	tr := trimmer{spans: []span{s}}
	if err := tr.drop(func(int, int) bool { return true }); err != nil {
		t.Fatal(err)
	}
	seen, err := s.look()
	if want := []presence{absent, own, absent}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v are there, %v; want %v", seen, err, want)
	}
	if b[size] != 'x' {
		t.Error("a page that was written is gone")
	}
}
