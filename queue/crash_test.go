package queue

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/vfs"
)

// dice returns seeded randomness.
func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

var errCut = errors.New("cut")

// story is what happened to a log before it was cut off.
type story struct {
	tried     int // records given to Append
	committed int // of them: Append returned nil and the disk had taken them
	synced    int // of them: before the end of a round of housekeeping
	acked     int // records below: all acked
	persisted int // of them: before the end of a round of housekeeping
}

// tell lets a log live until the disk is cut off: it appends groups, hands out,
// acks, keeps house and is reopened. All is the same each time.
func tell(t *testing.T, disk *vfs.Mem) (s story) {
	cfg := small(disk)
	l := open(t, cfg)
	healthy := func() bool { return l.Stats().Degraded == nil }
	for step := range 30 {
		n := 1 + step%3
		s.tried += n
		if err := l.Append(manyFrom(s.tried-n, n)...); err == nil && healthy() {
			s.committed = s.tried
		}
		for range 2 {
			if e, ok := l.tryNext(); ok {
				l.Ack(e.Seq)
				s.acked = numberOf(t, e.Record) + 1
			}
		}
		if step%4 == 3 {
			l.keep()
			if healthy() {
				s.synced, s.persisted = s.committed, s.acked
			}
		}
		if step%11 == 10 {
			if err := l.Close(); err == nil && healthy() {
				s.synced, s.persisted = s.committed, s.acked
			}
			l = open(t, cfg)
		}
		if !healthy() {
			break // cut
		}
	}
	_ = l.Close() // may be cut off
	return s
}

func manyFrom(from, n int) (recs []Record) {
	for i := range n {
		recs = append(recs, numbered(from+i))
	}
	return recs
}

// cutAt makes the n-th change of the disk from now on, and all that follow,
// fail; if that is a write, keep bytes of it are done. It tells whether it came
// to that, and how long the write was.
func cutAt(disk *vfs.Mem, n, keep int) (cut *bool, length *int) {
	cut, length = new(bool), new(int)
	disk.Intercept(func(op vfs.Op) error {
		if *cut {
			return errCut
		}
		if !op.Changes() && op.Kind != vfs.Sync && op.Kind != vfs.SyncDir {
			return nil
		}
		if n--; n >= 0 {
			return nil
		}
		*cut, *length = true, op.Len
		return vfs.Short{N: min(keep, op.Len), Err: errCut}
	})
	return cut, length
}

// everyCut calls f with a disk that was cut off at each change, and inside each
// write, of the story; with -short at some of them.
func everyCut(t *testing.T, f func(n, keep int, disk *vfs.Mem, s story)) {
	step := 300 / rounds(300)
	for n := 0; ; n += step {
		keeps := []int{0}
		for i := 0; i < len(keeps); i++ {
			disk := vfs.NewMem()
			cut, length := cutAt(disk, n, keeps[i])
			s := tell(t, disk)
			if !*cut {
				if n < 80 {
					t.Fatalf("the story has only %d changes", n)
				}
				return
			}
			if i == 0 && *length > 0 {
				keeps = inside(*length)
			}
			disk.Intercept(nil)
			f(n, keeps[i], disk, s)
		}
	}
}

// inside picks places in a write of n bytes: around headers and at both ends.
func inside(n int) []int {
	keeps := []int{0, 1, 4, 27, 31, headerBytes - 1, headerBytes, headerBytes + 1, n / 3, n / 2, n - 1, n}
	keeps = slices.DeleteFunc(keeps, func(k int) bool { return k > n })
	slices.Sort(keeps)
	return slices.Compact(keeps)
}

// A log that was killed at any write holds what was committed and not acked,
// in order, whole, and at most what was on its way besides.
func TestKillAnywhereYieldsPrefix(t *testing.T) {
	everyCut(t, func(n, keep int, disk *vfs.Mem, s story) {
		l := open(t, small(disk.Crash()))
		got, seqs := l.drain()
		from, to := s.tried, s.tried
		if len(got) > 0 {
			from, to = got[0], got[len(got)-1]+1
		}
		if len(got) == 0 && s.acked < s.committed || from > s.acked && len(got) > 0 || from < s.persisted || to < s.committed {
			t.Fatalf("cut at %d, %d bytes in: got %d to %d of %+v", n, keep, from, to, s)
		}
		if d := cmp.Diff(span(from, to), got); d != "" {
			t.Fatalf("cut at %d, %d bytes in (-want +got):\n%s", n, keep, d)
		}
		if st := l.Stats(); st.DamagedBytes != 0 || st.SetAside != 0 || st.Records != int64(len(got)) {
			t.Fatalf("cut at %d, %d bytes in: %+v with %d records", n, keep, st, len(got))
		}
		goesOn(t, l, seqs)
	})
}

// goesOn acks seqs and checks that the log is as good as new.
func goesOn(t *testing.T, l logAt, seqs []uint64) {
	t.Helper()
	for _, s := range seqs {
		l.Ack(s)
	}
	l.append(1000, 1010)
	l.take(1000, 1010)
	l.close()
	l = open(t, l.cfg)
	if s := l.Stats(); s.Records != 0 || s.Degraded != nil {
		t.Fatalf("after a clean end: %+v", s)
	}
	l.take(0, 0)
	l.close()
}

// A power cut loses nothing that was synced and not acked, and yields nothing
// wrong and nothing out of order, whatever it leaves of the rest.
func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	r := dice(42)
	everyCut(t, func(n, keep int, disk *vfs.Mem, s story) {
		for range 3 {
			l := open(t, small(disk.PowerCut(r)))
			got, seqs := l.drain()
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Fatalf("cut at %d, %d bytes in: out of order: %v", n, keep, got)
			}
			for want := s.acked; want < s.synced; want++ {
				if !slices.Contains(got, want) {
					t.Fatalf("cut at %d, %d bytes in: record %d is lost; got %v of %+v", n, keep, want, got, s)
				}
			}
			goesOn(t, l, seqs)
		}
	})
}
