package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered returns record n, of which everything follows from n.
func numbered(n int) Record {
	p := binary.LittleEndian.AppendUint64(nil, uint64(n))
	for len(p) < 20+n*37%200 {
		p = append(p, byte(n*len(p)))
	}
	return Record{
		Kind: uint8(n%3 + 1), Lane: uint16(n % 4), Lanes: 4, Items: uint32(n%7 + 1),
		MinTime: int64(1000 * n), MaxTime: int64(1000*n + 250), Payload: p,
	}
}

// numberOf returns the n of a record that numbered has made, or fails the test
// if it is any other.
func numberOf(t *testing.T, r Record) int {
	t.Helper()
	n := int(binary.LittleEndian.Uint64(r.Payload))
	if n < 0 || n > 1<<20 || !same(numbered(n), r) {
		t.Fatalf("a record that was never appended: %+v", r)
	}
	return n
}

func same(a, b Record) bool {
	return bytes.Equal(a.Payload, b.Payload) && a.Kind == b.Kind && a.Lane == b.Lane && a.Lanes == b.Lanes &&
		a.Items == b.Items && a.MinTime == b.MinTime && a.MaxTime == b.MaxTime
}

// logAt is a Log in a test, with small segments.
type logAt struct {
	*Log
	t *testing.T
}

func small(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "q", SegmentBytes: 1000, MaxBytes: 1 << 20, MaxMemoryBytes: 4000}
}

func open(t *testing.T, cfg Config) logAt {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return logAt{l, t}
}

func (l logAt) append(from, to int) {
	l.t.Helper()
	var recs []Record
	for n := from; n < to; n++ {
		recs = append(recs, numbered(n))
	}
	if err := l.Append(recs...); err != nil {
		l.t.Fatal(err)
	}
}

// drain takes all records there are, without acking them.
func (l logAt) drain() (numbers []int, seqs []uint64) {
	l.t.Helper()
	for {
		e, ok := l.tryNext()
		if !ok {
			return numbers, seqs
		}
		numbers, seqs = append(numbers, numberOf(l.t, e.Record)), append(seqs, e.Seq)
	}
}

// take fails the test if the records waiting are not those from from to to, and
// acks them.
func (l logAt) take(from, to int) {
	l.t.Helper()
	got, seqs := l.drain()
	if d := cmp.Diff(span(from, to), got); d != "" {
		l.t.Fatalf("records (-want +got):\n%s", d)
	}
	for _, s := range seqs {
		l.Ack(s)
	}
}

func span(from, to int) (list []int) {
	for n := from; n < to; n++ {
		list = append(list, n)
	}
	return list
}

func (l logAt) close() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// rounds is how often a test is to try something that it may try n times.
func rounds(n int) int {
	if testing.Short() {
		return n / 6
	}
	return n
}

// files returns the names in the directory of a log.
func files(t *testing.T, fs vfs.FS) string {
	t.Helper()
	names, err := fs.List("q")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// edit replaces the content of a file by what f makes of it.
func edit(t *testing.T, fs vfs.FS, name string, f func([]byte) []byte) {
	t.Helper()
	b := f(content(t, fs, name))
	_ = fs.Remove(name)
	w, err := fs.Create(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	n, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	readPages(f, b, 0)
	return b
}

func TestRecordsComeOutInOrder(t *testing.T) {
	l := open(t, small(vfs.NewMem()))
	l.append(0, 3)
	l.append(3, 4)
	l.take(0, 4)
	l.append(4, 40)
	l.take(4, 40)
	l.close()
}

func TestUnackedRecordsComeAgainAfterReopen(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, small(fs))
	l.append(0, 30)
	numbers, seqs := l.drain()
	for i, n := range numbers {
		if n < 10 || n == 20 {
			l.Ack(seqs[i])
		}
	}
	l.close()
	l = open(t, small(fs))
	if s := l.Stats(); s.Records != 20 || s.OldestTime != 10_000 || s.Watermark != seqs[10] {
		t.Errorf("after reopen: %+v", s)
	}
	l.take(10, 30)
	l.close()
}

func TestStatsCountUntilAcked(t *testing.T) {
	l := open(t, small(vfs.NewMem()))
	check := func(records, inFlight int, oldest int64) {
		t.Helper()
		s := l.Stats()
		var want amount
		for n := 10 - records; n < 10; n++ {
			r := numbered(n)
			want.plus(amount{1, int64(r.Items), int64(len(r.Payload))})
		}
		if got := (amount{s.Records, s.Items, s.Bytes}); got != want || s.InFlight != inFlight || s.OldestTime != oldest {
			t.Errorf("stats %+v; want %+v, %d in flight, oldest %d", s, want, inFlight, oldest)
		}
	}
	check(0, 0, 0)
	l.append(0, 10)
	check(10, 0, 0)
	_, seqs := l.drain()
	check(10, 10, 0)
	l.Ack(seqs[0])
	l.Ack(seqs[0]) // a second time changes nothing
	check(9, 9, 1000)
	for _, s := range seqs {
		l.Ack(s)
	}
	check(0, 0, 0)
	l.close()
}

func TestAckedSegmentsAreDeleted(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, small(fs))
	for n := range 12 {
		l.append(2*n, 2*n+2)
	}
	before := l.Stats().Segments
	if before < 3 {
		t.Fatalf("%d segments; the test needs some", before)
	}
	l.take(0, 24)
	l.keep()
	if s := l.Stats(); s.Segments != 1 || s.Records != 0 {
		t.Errorf("after all was acked: %+v", s)
	}
	l.append(24, 25)
	l.take(24, 25)
	l.close()
	l = open(t, small(fs))
	l.keep()
	if got := files(t, fs); got != "cursor lock" {
		t.Errorf("an empty log leaves %s", got)
	}
	l.append(25, 26)
	l.take(25, 26)
	l.close()
}

// What does not fit the memory set aside for fresh groups is read from files,
// and the memory is used again.
func TestReaderFallsBackToFiles(t *testing.T) {
	cfg := Config{FS: vfs.NewMem(), Dir: "q", SegmentBytes: 3 << 20, MaxBytes: 1 << 30}
	l := open(t, cfg)
	big := make([]byte, 300<<10)
	for i := range 60 {
		big[0] = byte(i)
		if err := l.Append(Record{Items: uint32(i), Payload: big[:len(big)-i]}); err != nil {
			t.Fatal(err)
		}
	}
	if l.freshBytes > freshBytes {
		t.Errorf("%d bytes kept in memory", l.freshBytes)
	}
	for i := range 60 {
		e, ok := l.tryNext()
		if !ok || e.Items != uint32(i) || e.Payload[0] != byte(i) || len(e.Payload) != len(big)-i {
			t.Fatalf("record %d: %v, %d items, %d bytes", i, ok, e.Items, len(e.Payload))
		}
		l.Ack(e.Seq)
	}
	if len(l.tail) != 0 || l.freshBytes != 0 {
		t.Errorf("all was handed out, %d groups are kept", len(l.tail))
	}
	l.close()
}

func TestPayloadIsValidUntilAcked(t *testing.T) {
	l := open(t, small(vfs.NewMem()))
	var held []Entry
	for n := range 200 {
		l.append(n, n+1)
		e, _ := l.tryNext()
		if held = append(held, e); len(held) > 10 {
			numberOf(t, held[0].Record)
			l.Ack(held[0].Seq)
			held = held[1:]
		}
	}
	for _, e := range held {
		numberOf(t, e.Record)
	}
	l.close()
}

func TestSecondLogOnDirectoryIsRefused(t *testing.T) {
	f := func(cfg Config) {
		t.Helper()
		l := open(t, cfg)
		_, err := Open(cfg)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), cfg.Dir) {
			t.Errorf("second Open: %v", err)
		}
		l.append(0, 1)
		l.close()
		l = open(t, cfg)
		l.take(0, 1)
		l.close()
	}
	f(small(vfs.NewMem()))
	cfg := small(vfs.OS())
	cfg.Dir = path.Join(t.TempDir(), "log")
	f(cfg)
}

func TestNextWaitsForAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, small(vfs.NewMem()))
		got := make(chan int)
		go func() {
			for range 2 {
				e, err := l.Next(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- numberOf(t, e.Record)
			}
		}()
		synctest.Wait()
		l.append(7, 9)
		if a, b := <-got, <-got; a != 7 || b != 8 {
			t.Errorf("got %d, %d", a, b)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		l.close()
	})
}

func TestChangeOfLanesWaitsForAllBefore(t *testing.T) {
	l := open(t, small(vfs.NewMem()))
	for i, lanes := range []uint16{2, 2, 3, 3, 2} {
		if err := l.Append(Record{Lanes: lanes, Items: uint32(i), Payload: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	next := func(want int) (seq uint64) {
		t.Helper()
		e, ok := l.tryNext()
		if got := int(e.Items); ok != (want >= 0) || ok && got != want {
			t.Fatalf("got %d, %v; want %d", got, ok, want)
		}
		return e.Seq
	}
	a, b := next(0), next(1)
	next(-1)
	l.Ack(b)
	next(-1)
	l.Ack(a)
	c, d := next(2), next(3)
	next(-1)
	l.Ack(c)
	l.Ack(d)
	next(4)
	l.close()
}

func TestCapDropsOldestAndCounts(t *testing.T) {
	fs := vfs.NewMem()
	cfg := small(fs)
	cfg.MaxBytes = 8000
	l := open(t, cfg)
	l.append(0, 2)
	e, _ := l.tryNext() // in flight: not counted as dropped, delivered after all
	for n := 2; n < 200; n += 2 {
		l.append(n, n+2)
		if s := l.Stats(); s.DiskBytes > cfg.MaxBytes {
			t.Fatalf("%d bytes on disk", s.DiskBytes)
		}
	}
	numberOf(t, e.Record)
	l.Ack(e.Seq)
	numbers, seqs := l.drain()
	first := numbers[0]
	if d := cmp.Diff(span(first, 200), numbers); d != "" || first < 100 {
		t.Fatalf("kept from %d on: %s", first, d)
	}
	items := int64(0)
	for n := 1; n < first; n++ {
		items += int64(numbered(n).Items)
	}
	if s := l.Stats(); s.DroppedRecords != int64(first-1) || s.DroppedItems != items || s.Records != int64(len(seqs)) {
		t.Errorf("first kept is %d, dropped items %d: %+v", first, items, s)
	}
	for _, s := range seqs {
		l.Ack(s)
	}
	if s := l.Stats(); s.Records != 0 || s.Items != 0 || s.Bytes != 0 {
		t.Errorf("backlog of an empty log: %+v", s)
	}
	l.close()
}

func TestAppendRefusesHugeAndClosed(t *testing.T) {
	l := open(t, small(vfs.NewMem()))
	if err := l.Append(Record{Payload: make([]byte, maxPayloadBytes+1)}); err == nil {
		t.Error("a huge payload was taken")
	}
	if err := l.Append(); err != nil {
		t.Error(err)
	}
	l.close()
	if err := l.Append(numbered(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
}

func TestRunSyncsAndPersistsEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		l := open(t, small(fs))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		l.append(0, 5)
		_, seqs := l.drain()
		l.Ack(seqs[0])
		l.Ack(seqs[2])
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		again := open(t, small(fs.PowerCut(dice(1))))
		again.take(1, 5)
		again.close()
		cancel()
		<-done
		l.close()
	})
}

func ExampleLog() {
	l, err := Open(Config{FS: vfs.NewMem(), Dir: "log"})
	if err != nil {
		panic(err)
	}
	_ = l.Append(Record{Items: 2, Payload: []byte("two samples")})
	e, _ := l.Next(context.Background())
	fmt.Printf("%d: %s\n", e.Seq, e.Payload)
	l.Ack(e.Seq)
	fmt.Println(l.Stats().Records, l.Close())
	// Output:
	// 1: two samples
	// 0 <nil>
}
