package queue

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/vfs"
)

// filled returns a disk with a closed log of the records below n.
func filled(t *testing.T, n int) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	l := open(t, small(fs))
	for i := range n {
		l.append(i, i+1)
	}
	l.close()
	return fs
}

// segmentFiles returns the names of the segments on fs that are not empty.
func segmentFiles(t *testing.T, fs vfs.FS) (names []string) {
	t.Helper()
	for _, name := range strings.Fields(files(t, fs)) {
		if _, _, ok := parseSegmentName(name); ok {
			names = append(names, name)
		}
	}
	return names
}

// A byte that changes costs the record that it is in, and no other; the file is
// kept when it is done with, and so is what is found in it.
func TestDamagedByteCostsItsRecord(t *testing.T) {
	r := dice(3)
	for round := range rounds(300) {
		fs := filled(t, 40)
		names := segmentFiles(t, fs)
		name := names[r.IntN(len(names))]
		var at int
		edit(t, fs, "q/"+name, func(b []byte) []byte {
			at = r.IntN(len(b))
			b[at] ^= byte(1 + r.IntN(255))
			return b
		})
		harmed := content(t, fs, "q/"+name)
		l := open(t, small(fs))
		got, seqs := l.drain()
		missing := 40 - len(got)
		if inHeader := at < segmentHeaderBytes; !slices.IsSorted(got) || missing > 1 || inHeader != (missing == 0) {
			t.Fatalf("round %d: byte %d of %s costs %d records", round, at, name, missing)
		}
		for _, s := range seqs {
			l.Ack(s)
		}
		if s := l.Stats(); s.DamagedRecords != 1 || s.DamagedBytes == 0 || s.Records != 0 || s.SetAside != 0 {
			t.Fatalf("round %d: byte %d of %s: %+v", round, at, name, s)
		}
		l.keep()
		l.close()
		kept := strings.TrimSuffix(name, liveSuffix) + damagedSuffix
		if !bytes.Equal(content(t, fs, "q/"+kept), harmed) {
			t.Fatalf("round %d: %s was not kept: %s", round, kept, files(t, fs))
		}
		l = open(t, small(fs))
		if s := l.Stats(); s.DamagedRecords != 0 || s.Records != 0 {
			t.Fatalf("round %d: known damage is counted again: %+v", round, s)
		}
		l.close()
	}
}

// Whole stretches of rubbish, cuts and insertions: what comes out was put in, in
// order, and the log goes on.
func TestAnyDamageLeavesTrueRecords(t *testing.T) {
	r := dice(4)
	for range rounds(300) {
		fs := filled(t, 40)
		cut := 0 // files that look like after a crash, where nothing is damaged
		for _, name := range segmentFiles(t, fs) {
			edit(t, fs, "q/"+name, func(b []byte) []byte {
				how := r.IntN(6)
				if how < 2 {
					cut++
				}
				return harm(how, r.IntN, b)
			})
		}
		l := open(t, small(fs))
		got, seqs := l.drain()
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("out of order: %v", got)
		}
		if s := l.Stats(); s.Records != int64(len(got)) || len(got) < 40 && s.DamagedRecords+int64(s.SetAside+cut) == 0 {
			t.Fatalf("%d records came out: %+v", len(got), s)
		}
		goesOn(t, l, seqs)
	}
}

// harm does one of six things to b. The first two may leave what a crash leaves.
func harm(how int, pick func(int) int, b []byte) []byte {
	at := pick(len(b))
	n := min(pick(200), len(b)-at)
	switch how {
	case 0:
		return b[:at]
	case 1:
		clear(b[at:])
	case 2:
		return slices.Delete(b, at, at+n)
	case 3:
		return slices.Insert(b, at, b[at:at+n]...)
	case 4:
		clear(b[at : at+n])
	case 5:
		for i := range n {
			b[at+i] = byte(pick(256))
		}
	}
	return b
}

// A payload may hold anything, even what looks like a record; after damage it
// is not taken for one.
func TestRecordInsideDamagedRecordIsNotFound(t *testing.T) {
	fs := filled(t, 3)
	inner := content(t, fs, "q/0000000001.log")
	fs = vfs.NewMem()
	l := open(t, small(fs))
	if err := l.Append(Record{Items: 1, Payload: inner}); err != nil {
		t.Fatal(err)
	}
	l.append(7, 8)
	l.close()
	edit(t, fs, "q/0000000001.log", func(b []byte) []byte { b[segmentHeaderBytes+9]++; return b })
	l = open(t, small(fs))
	l.take(7, 8)
	l.close()
}

func TestDamagedCursorFallsBack(t *testing.T) {
	f := func(from int, why string, damage func(b []byte)) {
		t.Helper()
		fs := vfs.NewMem()
		l := open(t, small(fs))
		l.append(0, 10)
		_, seqs := l.drain()
		l.Ack(seqs[0])
		l.keep()
		l.Ack(seqs[1])
		l.close()
		edit(t, fs, "q/cursor", func(b []byte) []byte { damage(b); return b })
		var out bytes.Buffer
		cfg := small(fs)
		cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
		l = open(t, cfg)
		l.take(from, 10)
		l.close()
		if !strings.Contains(out.String(), why) || (why != "") != strings.Contains(files(t, fs), "cursor.damaged") {
			t.Errorf("files %s, log %q", files(t, fs), out.String())
		}
	}
	f(2, "", func([]byte) {})
	f(1, "", func(b []byte) { b[20] ^= 1 })                            // generation 4, the newest
	f(2, "", func(b []byte) { b[slotStride] = 0 })                     // generation 3
	f(0, "cursor is damaged", func(b []byte) { b[0]++; b[4100] ^= 1 }) // both
	f(0, "cursor is damaged", func(b []byte) { clear(b) })
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	fs := filled(t, 20)
	other := encodeSegmentHeader(77, 1)
	other[8] = 9 // version
	sum := segmentCheck(other)
	other[12], other[13], other[14], other[15] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	foreign := map[string]string{
		"0000000005.log":     "short",
		"0000000077.log":     string(other),
		"0000000099.log":     strings.Repeat("This is a poem. ", 1000),
		"0000000100.damaged": "odd",
		"notes.txt":          "mine",
		"1.log":              "not a name of ours",
	}
	for name, text := range foreign {
		_ = fs.Remove("q/" + name)
		edit(t, fs, "q/"+name, func([]byte) []byte { return []byte(text) })
	}
	l := open(t, small(fs))
	if s := l.Stats(); s.SetAside != len(foreign) || s.DamagedRecords != 0 {
		t.Errorf("%+v", s)
	}
	got, seqs := l.drain()
	if !slices.IsSorted(got) || len(got) < 14 {
		t.Errorf("got %v", got)
	}
	goesOn(t, l, seqs)
	for name, text := range foreign {
		if got := string(content(t, fs, "q/"+name)); got != text {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

// The bytes of a log are for other versions to read: they do not change.
func TestFormatIsFixed(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, small(fs))
	l.append(0, 2)
	e, _ := l.tryNext()
	l.Ack(e.Seq)
	l.close()
	for _, name := range []string{"0000000001.log", "cursor"} {
		golden(t, name+".hex", dump(content(t, fs, "q/"+name)))
	}
	again := open(t, small(fs))
	again.take(1, 2)
	again.close()
	if d := cmp.Diff("0000000001.log cursor lock", files(t, filled(t, 1))); d != "" {
		t.Error(d)
	}
}
