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
// The pages are clean, so nothing is lost: the kernel maps them again, without
// reading the file as long as it has it cached. A sweep costs some thousand such
// faults, about 10 ms of processor time; dropping what is cold costs 2 ms.
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
		return pause, t.begin()
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
		if t.swept > 0 {
			continue
		}
		if err := s.drop(0, s.pages()); err != nil {
			return err
		}
	}
	return nil
}

// judge notes which pages of the class that is gone have not come back, and
// takes those of the next one.
func (t *trimmer) judge(classes int) error {
	for i, s := range t.spans {
		present, err := s.present()
		if err != nil {
			return err
		}
		first := int(s.from / uintptr(os.Getpagesize()))
		for page, here := range present {
			switch (first + page) % classes {
			case t.class:
				t.cold[i][page] = !here
			case t.class + 1:
				if !here {
					continue
				}
				if err := s.drop(page, page+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dropCold gives back what nobody has read in the last sweep.
func (t *trimmer) dropCold() (time.Duration, error) {
	t.dropped++
	for i, s := range t.spans {
		cold := t.cold[i]
		for from := 0; from < len(cold); from++ {
			to := from
			for to < len(cold) && cold[to] {
				to++
			}
			if to == from {
				continue
			}
			if err := s.drop(from, to); err != nil {
				return trimCold, err
			}
			from = to
		}
	}
	return trimCold, nil
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

// drop gives back the pages from the one to before the other.
func (s span) drop(from, to int) error {
	size := uintptr(os.Getpagesize())
	at, length := s.from+uintptr(from)*size, uintptr(to-from)*size
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, at, length, unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("give back %d pages at %#x: %w", to-from, at, errno)
	}
	return nil
}

// present returns which pages of s are in memory.
func (s span) present() ([]bool, error) {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, fmt.Errorf("open page map: %w", err)
	}
	defer pagemap.Close()
	const entry, bit = 8, 1 << 63 // of the file: a number per page, whose top bit says that it is there
	b := make([]byte, entry*s.pages())
	if _, err := pagemap.ReadAt(b, entry*int64(s.from/uintptr(os.Getpagesize()))); err != nil {
		return nil, fmt.Errorf("read page map: %w", err)
	}
	present := make([]bool, s.pages())
	for i := range present {
		present[i] = binary.NativeEndian.Uint64(b[entry*i:])&bit != 0
	}
	return present, nil
}
