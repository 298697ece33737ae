package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A trimmer gives back pages of the program itself that are in memory and are
// not read: first all that package initialisation and the first load have
// touched, then those that only came along. For when one page of a file is
// read, the kernel maps the window of sixteen around it; of a large program
// whose code in use is scattered, most of what is resident was never looked at.
//
// Which page of a window is read shows only where it is missing. So a sweep
// takes away one page of each window at a time and looks a moment later which
// have come back. Pages that did not are cold; now and then those are dropped,
// as they come along again with pages that are read once in a while:
//
//	drop all ─► drop page 0 of each window ─► … ─► page 15 ─► drop the cold ones ─► … ─► next sweep
//	                                 └─ back? it is in use
//
// What is given back is clean, so nothing is lost: the kernel maps it again,
// without reading the file as long as it has it cached. Pages that were written
// and are the process's own stay: a program that was linked to be moved has its
// relocations in some, and what traces it has breakpoints. A sweep costs some
// thousand faults, about 10 ms of processor time; dropping what is cold costs
// 2 ms.
//
// A trimmer is for one goroutine.
type trimmer struct {
	spans   []span   // nil: the next step begins a sweep
	cold    [][]bool // per span and page: it was gone and did not come back
	class   int      // of the pages that are gone now: their place in their window; -1: none yet
	dropped int      // how often what is cold was dropped since the sweep
	swept   int      // whole sweeps so far
}

// A span is a part of the program's file that is mapped and never written.
type span struct{ from, to uintptr }

// windowBytes is how much the kernel maps around a page that is read.
const windowBytes = 64 << 10

const (
	trimPause = 500 * time.Millisecond // in which a page in use is read again; at the start
	trimCalm  = 2 * time.Second        // the same in later sweeps
	trimCold  = 15 * time.Second       // until what is cold is dropped again
	trimDrops = 40                     // of what is cold, until the next sweep
)

// step does the next part of the work and returns when the one after is due.
func (t *trimmer) step() (time.Duration, error) {
	if t.dropped == trimDrops {
		t.spans, t.dropped = nil, 0
	}
	if t.dropped > 0 {
		return t.dropCold()
	}
	pause := trimPause
	if t.swept > 0 {
		pause = trimCalm
	}
	if t.spans == nil {
		if err := t.begin(); err != nil {
			return trimCold, err
		}
		return pause, nil
	}
	classes := max(1, windowBytes/os.Getpagesize())
	if err := t.judge(classes); err != nil {
		return trimCold, err
	}
	if t.class++; t.class < classes {
		return pause, nil
	}
	t.swept++
	return t.dropCold()
}

// begin starts a sweep. The first one begins with every page gone.
func (t *trimmer) begin() (err error) {
	if t.spans, err = programSpans(); err != nil {
		return err
	}
	t.class, t.cold = -1, make([][]bool, len(t.spans))
	for i, s := range t.spans {
		t.cold[i] = make([]bool, s.pages())
	}
	if t.swept > 0 {
		return nil
	}
	return t.drop(func(int, int) bool { return true })
}

// drop gives back the pages that pick takes, of the span and with the number
// that it is told.
func (t *trimmer) drop(pick func(span, page int) bool) error {
	for i, s := range t.spans {
		seen, err := s.look()
		if err != nil {
			return err
		}
		if err := s.drop(seen, func(page int) bool { return pick(i, page) }); err != nil {
			return err
		}
	}
	return nil
}

// judge notes which pages of the class that is gone have not come back, and
// takes those of the next one.
func (t *trimmer) judge(classes int) error {
	for i, s := range t.spans {
		seen, err := s.look()
		if err != nil {
			return err
		}
		first := int(s.from / uintptr(os.Getpagesize()))
		for page, what := range seen {
			if (first+page)%classes == t.class {
				t.cold[i][page] = what == absent
			}
		}
		if err := s.drop(seen, func(page int) bool { return (first+page)%classes == t.class+1 }); err != nil {
			return err
		}
	}
	return nil
}

// dropCold gives back what nobody has read in the last sweep.
func (t *trimmer) dropCold() (time.Duration, error) {
	t.dropped++
	return trimCold, t.drop(func(span, page int) bool { return t.cold[span][page] })
}

// programSpans returns the mappings of the program's file. Writable ones hold
// state and are left out.
func programSpans() (spans []span, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("read memory map: %w", err)
	}
	defer maps.Close()
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find executable: %w", err)
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 6 || field[5] != exe || strings.Contains(field[1], "w") {
			continue
		}
		var s span
		if _, err := fmt.Sscanf(field[0], "%x-%x", &s.from, &s.to); err == nil {
			spans = append(spans, s)
		}
	}
	return spans, nil
}

// pages returns how many pages s has.
func (s span) pages() int { return int(s.to-s.from) / os.Getpagesize() }

// A presence is what is in memory of a page.
type presence uint8

const (
	absent presence = iota
	clean           // as in the file
	own             // written by this process; perhaps swapped out
)

// drop gives back those clean pages of s, as seen, that pick takes. Absent ones
// between them are given back as well, so that fewer calls do.
func (s span) drop(seen []presence, pick func(page int) bool) error {
	for from := 0; from < len(seen); from++ {
		to, some := from, false
		for to < len(seen) && seen[to] != own && pick(to) {
			some = some || seen[to] == clean
			to++
		}
		if some {
			if err := s.dropRange(from, to); err != nil {
				return err
			}
		}
		from = max(from, to)
	}
	return nil
}

// dropRange gives back the pages from the one to before the other.
func (s span) dropRange(from, to int) error {
	size := uintptr(os.Getpagesize())
	at, length := s.from+uintptr(from)*size, uintptr(to-from)*size
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, at, length, unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("give back %d pages at %#x: %w", to-from, at, errno)
	}
	return nil
}

// look returns what is in memory of each page of s. The page map has a number
// for each, with bits that say whether it is there, swapped out, or a file's.
func (s span) look() ([]presence, error) {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, fmt.Errorf("open page map: %w", err)
	}
	defer pagemap.Close()
	const entry, here, swapped, file = 8, 1 << 63, 1 << 62, 1 << 61
	b := make([]byte, entry*s.pages())
	if _, err := pagemap.ReadAt(b, entry*int64(s.from/uintptr(os.Getpagesize()))); err != nil {
		return nil, fmt.Errorf("read page map: %w", err)
	}
	seen := make([]presence, s.pages())
	for i := range seen {
		switch bits := binary.NativeEndian.Uint64(b[entry*i:]); {
		case bits&(here|swapped) == 0:
		case bits&file == 0:
			seen[i] = own
		case bits&here != 0:
			seen[i] = clean
		}
	}
	return seen, nil
}
