package roster

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

var someEntry = Entry{
	Name: "node-1", Addr: "10.0.0.1:12345", Instance: NewInstance(time.UnixMilli(1790000000123), 7), Seq: 3,
	From: time.UnixMilli(1790000005000), Until: time.UnixMilli(1790000095000), Down: true,
	DownAt: time.UnixMilli(1790000090000), Version: "v1.2.3", Zone: "eu-1a", Config: 0xFEED,
	Former: [maxFormer]Window{
		{time.UnixMilli(1790000000000), time.UnixMilli(1790000002500)},
		{time.UnixMilli(1780000000000), time.UnixMilli(1780000000000)},
		{time.UnixMilli(1770000000000), time.UnixMilli(1789999999999)},
	},
}

func TestWhatIsEncodedDecodes(t *testing.T) {
	e, err := DecodeMetadata(EncodeMetadata(someEntry), someEntry.Name, someEntry.Addr)
	if err != nil || e != someEntry {
		t.Errorf("metadata: %v, %s", err, cmp.Diff(someEntry, e))
	}
	p := Pulse{Instance: 5, Clock: time.UnixMilli(1790000000123), Digest: 9}
	if got, err := DecodePulse(EncodePulse(p)); err != nil || got != p {
		t.Errorf("pulse: %v, %s", err, cmp.Diff(p, got))
	}
	note := Letter{Kind: Note, Sender: "a", Component: strings.Repeat("module/", 99) + "kind.label", Note: []byte("n")}
	if got, err := DecodeLetter(EncodeLetter(note)); err != nil || !cmp.Equal(got, note) {
		t.Errorf("note: %v, %s", err, cmp.Diff(note, got))
	}
	l := Letter{Kind: Ask, Sender: "a", Instance: 3, Entries: []Entry{someEntry, {Name: "b", Instance: 1}}, Suspect: "c", SuspectInstance: 4, Reachable: true}
	if got, err := DecodeLetter(EncodeLetter(l)); err != nil || !cmp.Equal(got, l) {
		t.Errorf("letter: %v, %s", err, cmp.Diff(l, got))
	}
}

func TestMetadataFitsTheGossip(t *testing.T) {
	e := someEntry
	e.Version, e.Zone = strings.Repeat("v", 1000), strings.Repeat("z", 1000)
	if n := len(EncodeMetadata(e)); n > MaxMetadata {
		t.Errorf("metadata takes %d bytes; at most %d", n, MaxMetadata)
	}
}

func TestFieldsFromTheFutureAreSkipped(t *testing.T) {
	b := EncodeMetadata(someEntry)
	b = protowire.AppendString(protowire.AppendTag(b, 99, protowire.BytesType), "new")
	b = protowire.AppendFixed32(protowire.AppendTag(b, 98, protowire.Fixed32Type), 1)
	if e, err := DecodeMetadata(b, someEntry.Name, someEntry.Addr); err != nil || e != someEntry {
		t.Errorf("%v, %s", err, cmp.Diff(someEntry, e))
	}
}

func TestStrangersAreRecognised(t *testing.T) {
	for _, b := range [][]byte{nil, {0xD1}, []byte("ckit"), {0, 0, 0}} {
		if _, err := DecodeMetadata(b, "n", "a"); err != ErrStranger {
			t.Errorf("%q: %v; want %v", b, err, ErrStranger)
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add(EncodeLetter(Letter{Kind: Tell, Sender: "a", Entries: []Entry{someEntry}}))
	f.Add(EncodeLetter(Letter{Kind: Note, Sender: "a", Component: "c", Note: []byte("n")}))
	f.Add(EncodeMetadata(someEntry))
	f.Fuzz(func(t *testing.T, b []byte) {
		DecodeMetadata(b, "n", "a")
		DecodePulse(b)
		l, err := DecodeLetter(b)
		if err != nil {
			return
		}
		again, err := DecodeLetter(EncodeLetter(l))
		if err != nil || !bytes.Equal(EncodeLetter(l), EncodeLetter(again)) {
			t.Fatalf("%v: %+v became %+v", err, l, again)
		}
	})
}
