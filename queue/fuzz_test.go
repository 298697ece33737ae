package queue

import (
	"bytes"
	"strings"
	"testing"

	"github.com/divvy-collector/divvy/vfs"
)

// FuzzSegment opens a log with a segment of foreign bytes. Whatever they are,
// the log opens, hands out no more than is there, and goes on; a file that is
// not wholly a segment is not deleted.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(segmentMagic))
	f.Add(encodeSegmentHeader(1, 1))
	f.Add(bytes.Repeat(mark, 100))
	whole := wholeSegment()
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add(append([]byte("rubbish"), whole...))
	f.Add(append(bytes.Clone(whole[:90]), whole[100:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("q"); err != nil {
			t.Fatal(err)
		}
		edit(t, fs, "q/0000000001.log", func([]byte) []byte { return b })
		l := open(t, small(fs))
		var total int
		var seqs []uint64
		last := uint64(0)
		for e, ok := l.tryNext(); ok; e, ok = l.tryNext() {
			if total += headerBytes + len(e.Payload); total > len(b) || e.Seq <= last {
				t.Fatalf("record %d after %d, %d bytes of %d", e.Seq, last, total, len(b))
			}
			last = e.Seq
			if e.Seq < 1<<63 {
				seqs = append(seqs, e.Seq)
			}
		}
		if last >= 1<<63 {
			return // numbers have run out: no one can append
		}
		damaged := l.Stats().DamagedRecords > 0
		goesOn(t, l, seqs)
		if names := files(t, fs); damaged && !strings.Contains(names, "0000000001.damaged") {
			t.Fatalf("damage was found, files are %s", names)
		}
	})
}

// wholeSegment returns segment 1 with three records.
func wholeSegment() []byte {
	b := encodeSegmentHeader(1, 1)
	for n := range 3 {
		b = appendRecord(b, numbered(n))
	}
	stamp(b[segmentHeaderBytes:], 1)
	seal(b[segmentHeaderBytes:], 1, segmentHeaderBytes)
	return b
}

// FuzzCursor reads foreign bytes as a cursor: what is read was written as such.
func FuzzCursor(f *testing.F) {
	a := cursor{generation: 4, watermark: 17}.encode()
	b := cursor{generation: 5, watermark: 18}.encode()
	both := append(append(bytes.Clone(a), make([]byte, slotStride-slotBytes)...), b...)
	f.Add(a)
	f.Add(both)
	f.Add(both[:len(both)-1])
	f.Add([]byte(cursorMagic))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, ok := decodeCursor(file)
		switch {
		case !ok && c != cursor{}:
			t.Fatalf("a cursor that does not check reads as %+v", c)
		case ok && !bytes.Contains(file, c.encode()):
			t.Fatalf("%+v is not in the file", c)
		}
	})
}

// FuzzFind compares the search for a header with its dumb twin, which tries
// each byte.
func FuzzFind(f *testing.F) {
	f.Add(wholeSegment(), int64(0))
	f.Add(wholeSegment()[33:], int64(33))
	f.Add(append(bytes.Repeat(mark, 3), wholeSegment()...), int64(-12))
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		want := -1
		for i := range b {
			if _, ok := headerAt(b[i:], 1, off+int64(i)); ok {
				want = i
				break
			}
		}
		if got := findHeader(b, 1, off); got != want {
			t.Fatalf("found %d; want %d", got, want)
		}
	})
}
