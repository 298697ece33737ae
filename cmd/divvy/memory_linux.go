package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
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
