package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// mount puts a small file system of its own at d.storage. It needs root.
func (d *divvy) mount(options string) {
	d.w.t.Helper()
	if os.Getuid() != 0 {
		d.w.t.Skip("only root mounts file systems")
	}
	if err := os.MkdirAll(d.storage, 0o755); err != nil {
		d.w.t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", d.storage).CombinedOutput(); err != nil {
		d.w.t.Skipf("mount: %v: %s", err, out)
	}
	d.w.t.Cleanup(func() {
		if err := syscall.Unmount(d.storage, syscall.MNT_DETACH); err != nil {
			d.w.t.Error(err)
		}
	})
}

// With a disk that is full from the start, memory carries the samples, over a
// short outage too.
func TestFullDiskLosesNothingWhileMemoryLasts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 100})
	d := w.newDivvy()
	d.mount("size=256k")
	ballast := make([]byte, 1<<20)
	if err := os.WriteFile(filepath.Join(d.storage, "ballast"), ballast, 0o644); err == nil {
		t.Fatal("the disk took a megabyte")
	}
	d.start()
	w.arrived(20)
	w.down()
	w.answered(50)
	w.listen()
	w.answered(20)
	d.stop()
	w.complete(90)
	if !strings.Contains(d.log(), "no space left") {
		t.Error("the log does not say that the disk is full")
	}
}

// A disk that fills up during an outage and is freed again loses nothing.
func TestDiskThatFillsUpLosesNothingWhileMemoryLasts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 1000})
	d := w.newDivvy()
	d.mount("size=1m")
	d.start()
	w.arrived(10)
	w.down()
	w.until(60e9, "the disk is full", func() bool { return strings.Contains(d.log(), "no space left") })
	w.answered(50)
	w.listen()
	w.answered(50)
	d.stop()
	w.complete(100)
}

// On storage that cannot be written, divvy says so and delivers.
func TestReadOnlyStorageDelivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 100})
	d := w.newDivvy()
	d.mount("size=1m,ro")
	d.start()
	w.answered(50)
	d.stop()
	w.complete(50)
	if !strings.Contains(d.log(), "read-only") {
		t.Error("the log does not say that the storage is read-only")
	}
}

// A second process on the same storage ends at once and says why; the first
// does not notice.
func TestStorageIsNotShared(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 5, Series: 50})
	other := w.newDivvy()
	other.storage = d.storage
	other.addr = w.host + ":12346"
	other.launch()
	if code := other.ended(10e9); code == 0 {
		t.Error("the second process ended with code 0")
	}
	if log := other.log(); !strings.Contains(log, d.storage) || !strings.Contains(log, "another") {
		t.Errorf("the second process says: %s", log)
	}
	w.answered(10)
	d.stop()
	w.complete(10)
}

// Bytes of the log that were overwritten by hand cost the records they are in.
func TestDamagedLogCostsTheDamagedRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 100})
	w.down()
	d := w.newDivvy()
	d.start()
	w.answered(100)
	d.kill()
	name, size := largest(t, d.storage)
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("overwritten by hand"), size/2); err != nil {
		t.Fatal(err)
	}
	file.Close()
	w.listen()
	d.start()
	w.answered(20)
	d.stop()

	lost, _ := w.lost(time.Now())
	t.Logf("%d of %d scrapes lost", len(lost), w.fleet.Answered())
	// One record holds what was scraped within 250 ms, in a lane; the kill
	// itself costs as much again.
	if len(lost) == 0 || len(lost) > 25 {
		t.Errorf("%d scrapes were lost by one damaged record and a kill: %s", len(lost), describe(lost))
	}
	if n := w.receiver.Report().OutOfOrder; n > 0 {
		t.Errorf("%d scrapes arrived out of order", n)
	}
	if !strings.Contains(d.log(), "damage") {
		t.Error("divvy does not say that there is damage")
	}
	if st, err := os.Stat(strings.TrimSuffix(name, ".log") + ".damaged"); err != nil || st.Size() != size {
		t.Errorf("the damaged file was not kept as it was: %v", err)
	}
}
