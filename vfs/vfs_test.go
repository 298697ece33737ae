package vfs_test

import (
	"errors"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"

	"github.com/divvy-collector/divvy/vfs"
	"github.com/divvy-collector/divvy/vfs/vfstest"
)

func TestOSKeepsPromises(t *testing.T) { vfstest.TestFS(t, vfs.OS(), path.Join(t.TempDir(), "d")) }

func TestMemKeepsPromises(t *testing.T) { vfstest.TestFS(t, vfs.NewMem(), "d") }

// disk returns a Mem with a file "f" that holds synced, and then written.
func disk(t *testing.T, synced, written string) (*vfs.Mem, vfs.File) {
	t.Helper()
	m := vfs.NewMem()
	f, err := m.Create("f", true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(synced), 0)
	if err := errors.Join(err, f.Sync(), m.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(written), int64(len(synced))); err != nil {
		t.Fatal(err)
	}
	return m, f
}

// content returns what m holds under name, or "" if there is no such file.
func content(t *testing.T, m *vfs.Mem, name string) string {
	t.Helper()
	f, err := m.Open(name)
	if err != nil {
		return ""
	}
	n, _ := f.Size()
	b := make([]byte, n)
	_, _ = f.ReadAt(b, 0)
	return string(b)
}

func TestCrashKeepsWhatWasWritten(t *testing.T) {
	m, f := disk(t, "safe", " and sound")
	c := m.Crash()
	if _, err := f.WriteAt([]byte("X"), 0); err != nil {
		t.Fatal(err)
	}
	if got := content(t, c, "f"); got != "safe and sound" {
		t.Errorf("after the crash: %q", got)
	}
}

func TestCrashReleasesLocks(t *testing.T) {
	m := vfs.NewMem()
	if _, err := m.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Crash().Lock("lock"); err != nil {
		t.Error(err)
	}
}

func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		m, _ := disk(t, "safe", "-new")
		got := content(t, m.PowerCut(rand.New(rand.NewPCG(seed, 0))), "f")
		if len(got) < 4 || got[:4] != "safe" {
			t.Fatalf("seed %d: %q", seed, got)
		}
		seen[got] = true
	}
	for _, want := range []string{"safe", "safe-new", "safe-n", "safe\x00\x00\x00\x00"} {
		if !seen[want] {
			t.Errorf("a power cut never left %q", want)
		}
	}
}

func TestPowerCutMayUndoNames(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		m, _ := disk(t, "x", "")
		if err := m.Rename("f", "g"); err != nil {
			t.Fatal(err)
		}
		c := m.PowerCut(rand.New(rand.NewPCG(seed, 0)))
		names, err := c.List(".")
		if err != nil || len(names) != 1 || content(t, c, names[0]) != "x" {
			t.Fatalf("seed %d: a rename left %q, %v", seed, names, err)
		}
		seen[names[0]] = true
	}
	if !seen["f"] || !seen["g"] {
		t.Errorf("saw only %v", seen)
	}
}

func TestShortWriteLeavesPrefix(t *testing.T) {
	m, f := disk(t, "", "")
	m.Intercept(func(op vfs.Op) error {
		if op.Kind == vfs.Write {
			return vfs.Short{N: 2, Err: syscall.ENOSPC}
		}
		return nil
	})
	n, err := f.WriteAt([]byte("abcdef"), 0)
	if n != 2 || !errors.Is(err, syscall.ENOSPC) || content(t, m, "f") != "ab" {
		t.Errorf("wrote %d, %v; file holds %q", n, err, content(t, m, "f"))
	}
}
