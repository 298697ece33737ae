package main

import (
	"os"
	"strings"
	"testing"
)

// The tightest limit on the way up counts, in either version of cgroups.
func TestCgroupLimitIsTheTightestOnTheWayUp(t *testing.T) {
	f := func(want int64, files ...string) {
		t.Helper()
		read := func(name string) ([]byte, error) {
			for _, file := range files {
				if path, text, _ := strings.Cut(file, "="); path == name {
					return []byte(text + "\n"), nil
				}
			}
			return nil, os.ErrNotExist
		}
		if got := cgroupLimit(read); got != want {
			t.Errorf("limit %d; want %d", got, want)
		}
	}
	f(0)
	f(0, "/proc/self/cgroup=0::/a/b")
	f(0, "/proc/self/cgroup=0::/a/b", "/sys/fs/cgroup/a/memory.max=max")
	f(100, "/proc/self/cgroup=0::/a/b", "/sys/fs/cgroup/a/b/memory.max=200", "/sys/fs/cgroup/a/memory.max=100")
	f(300, "/proc/self/cgroup=0::/", "/sys/fs/cgroup/memory.max=300")
	f(70, "/proc/self/cgroup=5:cpu,memory:/x", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes=70")
	f(0, "/proc/self/cgroup=5:memory:/", "/sys/fs/cgroup/memory/memory.limit_in_bytes=9223372036854771712")
	f(0, "/proc/self/cgroup=garbage")
}

// The environment may set another share of the container's memory, or none.
func TestMemoryShareFollowsTheEnvironment(t *testing.T) {
	f := func(goLimit, share string, want float64) {
		t.Helper()
		env := map[string]string{"GOMEMLIMIT": goLimit, "AUTOMEMLIMIT": share}
		if got := memoryShare(func(name string) string { return env[name] }); got != want {
			t.Errorf("GOMEMLIMIT=%s AUTOMEMLIMIT=%s: %g, want %g", goLimit, share, got, want)
		}
	}
	f("", "", 0.9)
	f("1GiB", "0.5", 0)
	f("", "off", 0)
	f("", "0.5", 0.5)
	f("", "5", 0.9)
	f("", "much", 0.9)
}
