package queue

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// refusing returns an intercept that fails what match picks while on is set.
func refusing(on *atomic.Bool, err error, match func(vfs.Op) bool) func(vfs.Op) error {
	return func(op vfs.Op) error {
		if on.Load() && match(op) {
			return err
		}
		return nil
	}
}

// toggle returns a switch for refusing.
func toggle(on bool) *atomic.Bool {
	b := new(atomic.Bool)
	b.Store(on)
	return b
}

// segmentWrite picks writes of records, and of the headers before them.
func segmentWrite(op vfs.Op) bool {
	return op.Kind == vfs.Write && strings.HasSuffix(op.Name, liveSuffix)
}

// While a disk is full, records go through memory; once there is room they are
// written, by themselves.
func TestFullDiskHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, full := vfs.NewMem(), toggle(false)
		disk.Intercept(refusing(full, vfs.Short{N: 60, Err: syscall.ENOSPC}, segmentWrite))
		l := open(t, small(disk))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		l.append(0, 3)
		full.Store(true)
		began := time.Now()
		l.append(3, 6)
		time.Sleep(5 * time.Second)
		l.append(6, 9)
		s := l.Stats()
		if !errors.Is(s.Degraded, syscall.ENOSPC) || !s.DegradedSince.Equal(began) || s.MemoryBytes == 0 || s.Records != 9 {
			t.Errorf("on a full disk: %+v", s)
		}
		l.take(0, 7+2)
		if s := l.Stats(); s.MemoryBytes != 0 {
			t.Errorf("all is acked, memory holds %d bytes", s.MemoryBytes)
		}
		l.append(9, 12)
		full.Store(false)
		time.Sleep(2 * time.Second)
		if s := l.Stats(); s.Degraded != nil || s.MemoryBytes != 0 || s.Records != 3 {
			t.Errorf("healed: %+v", s)
		}
		l.append(12, 14)
		again := open(t, small(disk.Crash()))
		again.take(9, 14)
		again.close()
		cancel()
		<-done
		l.close()
	})
}

// What the disk refused was delivered from memory, and nothing comes after it:
// the log finds out by itself that the disk is well again.
func TestIdleLogFindsTheDiskWellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, full := vfs.NewMem(), toggle(false)
		disk.Intercept(refusing(full, syscall.ENOSPC, segmentWrite))
		l := open(t, small(disk))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		l.append(0, 1)
		full.Store(true)
		l.append(1, 3)
		l.take(0, 3)
		time.Sleep(time.Minute)
		if s := l.Stats(); !errors.Is(s.Degraded, syscall.ENOSPC) || s.MemoryBytes != 0 {
			t.Errorf("the disk is full: %+v", s)
		}
		full.Store(false)
		time.Sleep(2 * probeAfter)
		if s := l.Stats(); s.Degraded != nil {
			t.Errorf("the disk is well: %+v", s)
		}
		l.append(3, 5)
		cancel()
		<-done
		l.close()
		again := open(t, small(disk.Crash()))
		again.take(3, 5)
		again.close()
	})
}

// A file that could not be deleted, or renamed because it is damaged, is tried
// again until it can.
func TestRefusedDeletionIsTriedAgain(t *testing.T) {
	disk, stuck := filled(t, 20), toggle(true)
	before := files(t, disk)
	disk.Intercept(refusing(stuck, syscall.EACCES, func(op vfs.Op) bool { return op.Kind == vfs.Remove }))
	l := open(t, small(disk))
	l.take(0, 20)
	for range 3 {
		l.keep()
		if s := l.Stats(); !errors.Is(s.Degraded, fs.ErrPermission) || s.Segments != 0 {
			t.Errorf("%+v", s)
		}
	}
	stuck.Store(false)
	l.keep()
	if s := l.Stats(); s.Degraded != nil {
		t.Errorf("the disk is well: %+v", s)
	}
	if left := files(t, disk); strings.Contains(left, liveSuffix) {
		t.Errorf("files %s; were %s", left, before)
	}
	l.close()
}

func TestMemoryIsBounded(t *testing.T) {
	disk, full := vfs.NewMem(), toggle(true)
	disk.Intercept(refusing(full, syscall.ENOSPC, segmentWrite))
	l := open(t, small(disk))
	n, items := 0, int64(0)
	for ; n < 100; n++ {
		if err := l.Append(numbered(n)); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			items = int64(numbered(n).Items)
			break
		}
	}
	if s := l.Stats(); s.MemoryBytes > l.cfg.MaxMemoryBytes || s.RefusedItems != items || s.Records != int64(n) {
		t.Errorf("after %d records: %+v", n, s)
	}
	l.take(0, n)
	l.append(n, n+2)
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "2 records") || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close with records that the disk did not take: %v", err)
	}
}

// On a read-only disk the log opens, hands out what is there, and takes more in
// memory; nothing is deleted.
func TestReadOnlyDiskIsReadAndNotWritten(t *testing.T) {
	disk := filled(t, 20)
	before := files(t, disk)
	ro := toggle(true)
	disk.Intercept(refusing(ro, syscall.EROFS, vfs.Op.Changes))
	l := open(t, small(disk))
	if s := l.Stats(); !errors.Is(s.Degraded, syscall.EROFS) || s.Records != 20 {
		t.Errorf("%+v", s)
	}
	l.append(20, 23)
	l.take(0, 23)
	l.keep()
	if got := files(t, disk); got != before {
		t.Errorf("files %s; were %s", got, before)
	}
	l.append(23, 25)
	ro.Store(false)
	l.keep()
	if s := l.Stats(); s.Degraded != nil || s.MemoryBytes != 0 {
		t.Errorf("healed: %+v", s)
	}
	l.close()
	l = open(t, small(disk))
	l.take(23, 25)
	l.close()
}

// A directory that does not exist and cannot be made is as good as an empty one
// that is read-only.
func TestUnmakeableDirectoryHeals(t *testing.T) {
	disk, ro := vfs.NewMem(), toggle(true)
	disk.Intercept(refusing(ro, syscall.EROFS, vfs.Op.Changes))
	l := open(t, small(disk))
	l.append(0, 5)
	l.keep()
	ro.Store(false)
	l.keep()
	l.close()
	l = open(t, small(disk))
	l.take(0, 5)
	l.close()
}

// A directory that cannot be listed may hold records that must not be written
// over: the log stays in memory.
func TestUnlistableDirectoryIsNotTouched(t *testing.T) {
	disk, broken := filled(t, 5), toggle(true)
	disk.Intercept(refusing(broken, fs.ErrPermission, func(op vfs.Op) bool { return op.Kind == vfs.List }))
	l := open(t, small(disk))
	l.append(100, 103)
	l.take(100, 103)
	l.keep()
	if s := l.Stats(); !errors.Is(s.Degraded, fs.ErrPermission) {
		t.Errorf("%+v", s)
	}
	l.close()
	broken.Store(false)
	l = open(t, small(disk))
	l.take(0, 5)
	l.close()
}

// A lock that somebody takes while the directory was not to be had keeps the
// log from writing.
func TestLateLockIsRespected(t *testing.T) {
	disk, broken := vfs.NewMem(), toggle(true)
	disk.Intercept(refusing(broken, syscall.EROFS, vfs.Op.Changes))
	late := open(t, small(disk))
	broken.Store(false)
	l := open(t, small(disk))
	l.append(0, 3)
	late.append(50, 52)
	late.keep()
	if s := late.Stats(); !errors.Is(s.Degraded, ErrLocked) || s.MemoryBytes == 0 {
		t.Errorf("%+v", s)
	}
	l.take(0, 3)
	l.close()
	late.keep()
	late.take(50, 52)
	late.close()
}

// A page that cannot be read costs the records in it.
func TestUnreadablePageCostsItsRecords(t *testing.T) {
	disk := vfs.NewMem()
	cfg := small(disk)
	cfg.SegmentBytes = 100_000
	l := open(t, cfg)
	for n := range 200 {
		l.append(n, n+1)
	}
	l.close()
	broken := toggle(true)
	disk.Intercept(refusing(broken, syscall.EIO, func(op vfs.Op) bool {
		const bad = 2*pageBytes + 100
		return op.Kind == vfs.Read && op.Off <= bad && op.Off+int64(op.Len) > bad
	}))
	l = open(t, cfg)
	got, seqs := l.drain()
	if len(got) < 140 || len(got) >= 200 || got[0] != 0 || got[len(got)-1] != 199 {
		t.Errorf("read %d records: %v", len(got), got)
	}
	for _, s := range seqs {
		l.Ack(s)
	}
	if s := l.Stats(); s.DamagedRecords == 0 || s.DamagedBytes < pageBytes/2 || s.Records != 0 {
		t.Errorf("%+v", s)
	}
	l.close()
	if got := files(t, disk); !strings.Contains(got, "0000000001.damaged") {
		t.Errorf("files %s", got)
	}
}

// A file that cannot be opened is kept, even when the cursor has passed it.
func TestUnreadableFileIsKept(t *testing.T) {
	disk, broken := filled(t, 20), toggle(true)
	name := segmentFiles(t, disk)[1]
	disk.Intercept(refusing(broken, fs.ErrPermission, func(op vfs.Op) bool {
		return op.Kind == vfs.Open && strings.Contains(op.Name, strings.TrimSuffix(name, liveSuffix))
	}))
	l := open(t, small(disk))
	if s := l.Stats(); s.SetAside != 1 {
		t.Errorf("%+v", s)
	}
	_, seqs := l.drain()
	goesOn(t, l, seqs)
	kept := strings.TrimSuffix(name, liveSuffix) + damagedSuffix
	if got := files(t, disk); !strings.Contains(got, kept) {
		t.Errorf("files %s; want %s", got, kept)
	}
}

// What could not be read for a while does not push out what came meanwhile.
func TestRecordsReadLateAreNotMixedUp(t *testing.T) {
	disk, broken := filled(t, 20), toggle(true)
	names := segmentFiles(t, disk)
	last := "q/" + strings.TrimSuffix(names[len(names)-1], liveSuffix)
	disk.Intercept(refusing(broken, fs.ErrPermission, func(op vfs.Op) bool {
		return op.Kind == vfs.Open && strings.HasPrefix(op.Name, last)
	}))
	l := open(t, small(disk))
	l.append(20, 30)
	l.close()
	broken.Store(false)
	l = open(t, small(disk))
	l.take(0, 30)
	l.close()
}

// A full disk that has no room for the cursor gets room from what was acked.
func TestAckedSegmentsGoWithoutCursor(t *testing.T) {
	disk, full := filled(t, 20), toggle(false)
	disk.Intercept(refusing(full, syscall.ENOSPC, func(op vfs.Op) bool { return op.Kind == vfs.Write }))
	l := open(t, small(disk))
	full.Store(true)
	l.take(0, 20)
	l.keep()
	if s := l.Stats(); s.Segments != 0 || !errors.Is(s.Degraded, syscall.ENOSPC) {
		t.Errorf("%+v", s)
	}
	l = open(t, small(disk.Crash())) // the cursor is old, the files are gone
	l.append(20, 22)
	l.take(20, 22)
	l.close()
}

// What a kernel could not sync it may have thrown away: the segment is ended,
// and the log says so until a sync succeeds.
func TestFailedSyncEndsSegment(t *testing.T) {
	disk, broken := vfs.NewMem(), toggle(true)
	disk.Intercept(refusing(broken, syscall.EIO, func(op vfs.Op) bool {
		return op.Kind == vfs.Sync && strings.HasSuffix(op.Name, liveSuffix)
	}))
	l := open(t, small(disk))
	l.append(0, 1)
	l.keep()
	if s := l.Stats(); !errors.Is(s.Degraded, syscall.EIO) {
		t.Errorf("%+v", s)
	}
	broken.Store(false)
	l.append(1, 2)
	l.keep()
	if s := l.Stats(); s.Degraded != nil || s.Segments != 2 {
		t.Errorf("%+v", s)
	}
	l.take(0, 2)
	l.close()
}

// Each single operation of a life may fail, once: what was appended comes out,
// or what is lost is told.
func TestAnyOperationMayFailOnce(t *testing.T) {
	for n := 0; ; n++ {
		disk, count := vfs.NewMem(), n
		disk.Intercept(func(op vfs.Op) error {
			if op.Kind == vfs.Close || op.Kind == vfs.Unlock {
				return nil
			}
			if count--; count == -1 {
				return syscall.EIO
			}
			return nil
		})
		oneLife(t, disk)
		if count >= 0 {
			return
		}
	}
}

// oneLife appends, takes and reopens. The failure of one read or write may make
// records come twice, and must not lose any.
func oneLife(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	seen := map[int]bool{}
	for round := range 3 {
		l, err := Open(small(disk))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			if err := l.Append(manyFrom(10*round+2*n, 2)...); err != nil {
				t.Fatal(err)
			}
		}
		l.keep()
		for range 7 {
			if e, ok := l.tryNext(); ok {
				seen[numberOf(t, e.Record)] = true
				l.Ack(e.Seq)
			}
		}
		if err := l.Close(); err != nil && strings.Contains(err.Error(), "lost") {
			return // said so
		}
	}
	disk.Intercept(nil)
	l := open(t, small(disk))
	rest, _ := l.drain()
	for _, n := range rest {
		seen[n] = true
	}
	if s := l.Stats(); len(seen) < 30 && s.SetAside+int(s.DamagedRecords) == 0 && !strings.Contains(files(t, disk), damagedSuffix) {
		t.Fatalf("%d of 30 records came out; files %s", len(seen), files(t, disk))
	}
	l.close()
}
