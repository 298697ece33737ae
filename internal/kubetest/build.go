package kubetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// root returns the top of the source tree.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// programs returns the directory that has apiserver and etcd, built now if they
// are missing or older than what they are built from. Several tests that ask at
// once build once.
func programs(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(root(), "e2e", "kubeserver", ".cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-C", root(), "--no-print-directory", "kubeserver")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skip(fmt.Errorf("skipped, for there is no API server: make kubeserver: %w\n%s", err, out))
	}
	return dir
}
