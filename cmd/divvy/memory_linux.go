package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limitMemory sets the soft memory limit to nine tenths of what the container
// may use, or to the part that AUTOMEMLIMIT names, so that the garbage collector
// works harder before the kernel kills the process. GOMEMLIMIT takes precedence.
// It returns the limit set, or 0.
func limitMemory() int64 {
	share := memoryShare(os.Getenv)
	limit := int64(share * float64(cgroupLimit(os.ReadFile)))
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// memoryShare returns which part of the container's memory the environment
// allows: 0 sets no limit.
func memoryShare(env func(string) string) float64 {
	if env("GOMEMLIMIT") != "" {
		return 0
	}
	switch text := env("AUTOMEMLIMIT"); text {
	case "":
		return 0.9
	case "off":
		return 0
	default:
		share, err := strconv.ParseFloat(text, 64)
		if err != nil || share < 0 || share > 1 {
			return 0.9
		}
		return share
	}
}

// cgroupLimit returns the smallest memory limit of this process's cgroup and
// those above it, or 0 if there is none.
func cgroupLimit(read func(name string) ([]byte, error)) int64 {
	limit := int64(math.MaxInt64)
	consider := func(name string) {
		text, err := read(name)
		if err != nil {
			return
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			limit = min(limit, n)
		}
	}
	membership, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(membership)) {
		// hierarchy-ID:controllers:path, with no controllers in version 2.
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(part) != 3:
		case part[1] == "":
			climb("/sys/fs/cgroup", part[2], func(dir string) { consider(dir + "/memory.max") })
		case strings.Contains(","+part[1]+",", ",memory,"):
			climb("/sys/fs/cgroup/memory", part[2], func(dir string) { consider(dir + "/memory.limit_in_bytes") })
		}
	}
	// Version 1 spells "no limit" as a number near the largest one.
	if limit > math.MaxInt64/2 {
		return 0
	}
	return limit
}

// climb calls visit for root+path and every directory above it up to root.
func climb(root, path string, visit func(dir string)) {
	for path = strings.TrimSuffix(path, "/"); path != ""; path = path[:strings.LastIndex(path, "/")] {
		visit(root + path)
	}
	visit(root)
}

// returnPages gives back the pages of the program itself that only its start has
// touched: package initialisation reads most of a large binary once. The pages
// are clean, so the kernel reads back the few that are needed again.
func returnPages() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("read memory map: %w", err)
	}
	defer maps.Close()
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find executable: %w", err)
	}
	// Writable mappings hold state and stay; the others are read from the file
	// again when they are touched.
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 6 || field[5] != exe || strings.Contains(field[1], "w") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(field[0], "%x-%x", &from, &to); err != nil {
			continue
		}
		if err := adviseUnneeded(from, to); err != nil {
			return fmt.Errorf("give back %s: %w", field[0], err)
		}
	}
	return nil
}

// adviseUnneeded drops the pages from from to to.
func adviseUnneeded(from, to uintptr) error {
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	if errno != 0 {
		return errno
	}
	return nil
}
