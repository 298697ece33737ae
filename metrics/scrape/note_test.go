package scrape

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// someWords returns words in the order in which a note has them.
func someWords() []word {
	r := rand.New(rand.NewPCG(1, 2))
	var words []word
	for _, f := range []fate{answered, failed, vanished} {
		for slot := range int64(3) {
			for range r.IntN(4) {
				words = append(words, word{fate: f, slot: 1_700_000_000_000 + slot, key: owner.Key(r.Uint64())})
			}
		}
	}
	encodeNote(words) // sorts them
	return words
}

func allowWords() cmp.Option { return cmp.AllowUnexported(word{}) }

func TestNoteIsReadAsItWasWritten(t *testing.T) {
	f := func(words ...word) {
		t.Helper()
		got, err := decodeNote(encodeNote(words))
		if diff := cmp.Diff(words, got, allowWords()); diff != "" || err != nil {
			t.Errorf("%v: (-want +got)\n%s", err, diff)
		}
	}
	f()
	f(word{fate: failed, slot: 1, key: 2})
	f(someWords()...)
}

// A newer version may add fields and fates.
func TestUnknownPartsOfANoteAreSkipped(t *testing.T) {
	words := someWords()
	b := protowire.AppendVarint(protowire.AppendTag(nil, 7, protowire.VarintType), 9)
	b = protowire.AppendFixed32(protowire.AppendTag(b, 8, protowire.Fixed32Type), 9)
	b = protowire.AppendString(protowire.AppendTag(b, 9, protowire.BytesType), "new")
	b = append(b, encodeNote([]word{{fate: 77, slot: 1, key: 1}})...)
	b = append(b, encodeNote(words)...)
	got, err := decodeNote(b)
	if diff := cmp.Diff(words, got, allowWords()); diff != "" || err != nil {
		t.Errorf("%v: (-want +got)\n%s", err, diff)
	}
}

func FuzzNote(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("rubbish"))
	f.Add(encodeNote(someWords()))
	f.Add(encodeNote(someWords()[:1])[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		words, err := decodeNote(b)
		if err != nil {
			return
		}
		again, err := decodeNote(encodeNote(words)) // which sorts words
		if !slices.Equal(words, again) || err != nil {
			t.Errorf("%v, then %v: %v", words, again, err)
		}
		if 8*len(words) > len(b) {
			t.Errorf("%d words from %d bytes", len(words), len(b))
		}
	})
}

// A large note is cut into parts that fit a letter.
func TestOutboxSendsInParts(t *testing.T) {
	var o outbox
	for i := range maxWords + 5 {
		if first := o.add("n", word{fate: failed, slot: 1, key: owner.Key(i)}); first != (i == 0) {
			t.Fatalf("word %d is the first: %t", i, first)
		}
	}
	o.add("m", word{fate: answered, slot: 1, key: 1})
	got := map[string]int{}
	parts := 0
	o.send(func(node string, note []byte) {
		words, err := decodeNote(note)
		if parts++; err != nil || len(note) > 1<<20 {
			t.Errorf("a note of %d bytes: %v", len(note), err)
		}
		got[node] += len(words)
	})
	if got["n"] != maxWords+5 || got["m"] != 1 || parts != 3 {
		t.Errorf("sent %v in %d parts", got, parts)
	}
	o.send(func(string, []byte) { t.Error("sent twice") })
}
