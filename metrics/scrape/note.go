package scrape

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A fate is what became of a target at its first slot with a new owner, or of
// what its former owner scraped.
type fate uint8

const (
	answered fate = iota + 1 // its series go on
	failed                   // it was scraped in vain: they have ended, but for the report series
	vanished                 // it is not on the new owner's list any more: all have ended
	flushed                  // the other way round: nothing of it is on its way from its former owner
)

// A word is the fate of one target.
type word struct {
	fate fate
	slot int64 // Unix ms
	key  owner.Key
}

// A note is words for one node, in the protobuf wire format, so that fields
// which a newer version adds are skipped:
//
//	note  = 1 group …
//	group = 1 fate, 2 slot (Unix ms), 3 keys (fixed64, packed)
//
// Targets that move together mostly share their slot, so a word costs little
// more than its key.

// maxWords is how many words a note has at most: it must fit into a letter.
const maxWords = 10_000

// encodeNote returns words in bytes. It sorts them.
func encodeNote(words []word) []byte {
	slices.SortFunc(words, func(a, b word) int {
		return cmp.Or(cmp.Compare(a.fate, b.fate), cmp.Compare(a.slot, b.slot), cmp.Compare(a.key, b.key))
	})
	var b []byte
	for len(words) > 0 {
		n := 1
		for n < len(words) && words[n].fate == words[0].fate && words[n].slot == words[0].slot {
			n++
		}
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, encodeGroup(words[:n]))
		words = words[n:]
	}
	return b
}

// encodeGroup encodes words of one fate and slot.
func encodeGroup(words []word) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(words[0].fate))
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(words[0].slot))
	b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.BytesType), uint64(8*len(words)))
	for _, w := range words {
		b = protowire.AppendFixed64(b, uint64(w.key))
	}
	return b
}

// decodeNote is the inverse of encodeNote. Words of a fate that it does not
// know are left out.
func decodeNote(b []byte) ([]word, error) {
	var words []word
	err := eachField(b, func(n protowire.Number, _ uint64, group []byte) error {
		if n != 1 || group == nil {
			return nil
		}
		list, err := decodeGroup(group)
		words = append(words, list...)
		return err
	})
	return words, err
}

func decodeGroup(b []byte) ([]word, error) {
	var w word
	var keys []byte
	err := eachField(b, func(n protowire.Number, v uint64, text []byte) error {
		switch {
		case n == 1 && v <= uint64(flushed):
			w.fate = fate(v)
		case n == 2:
			w.slot = int64(v)
		case n == 3:
			keys = append(keys, text...)
		}
		return nil
	})
	if err != nil || w.fate == 0 {
		return nil, err
	}
	var words []word
	for len(keys) > 0 {
		key, size := protowire.ConsumeFixed64(keys)
		if size < 0 {
			return nil, fmt.Errorf("read key: %w", protowire.ParseError(size))
		}
		w.key, keys = owner.Key(key), keys[size:]
		words = append(words, w)
	}
	return words, nil
}

// eachField calls f for every field of b: with its number if it is a varint,
// with its bytes, which are not nil, if it has some. Other fields are skipped.
func eachField(b []byte, f func(n protowire.Number, v uint64, text []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("read tag: %w", protowire.ParseError(size))
		}
		b = b[size:]
		var v uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, typ, b)
		}
		if size < 0 {
			return fmt.Errorf("read field %d: %w", n, protowire.ParseError(size))
		}
		b = b[size:]
		if typ != protowire.VarintType && typ != protowire.BytesType {
			continue
		}
		if err := f(n, v, text); err != nil {
			return err
		}
	}
	return nil
}

// An outbox collects words for a moment, because a change of the cluster moves
// many targets at once. Any number of goroutines may use it.
type outbox struct {
	mu    sync.Mutex
	words map[string][]word // by node
}

// add adds a word for a node. It reports whether it is the first one: then
// somebody has to send.
func (o *outbox) add(node string, w word) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := len(o.words) == 0
	if first {
		o.words = map[string][]word{}
	}
	o.words[node] = append(o.words[node], w)
	return first
}

// send empties the outbox.
func (o *outbox) send(tell func(node string, note []byte)) {
	o.mu.Lock()
	all := o.words
	o.words = nil
	o.mu.Unlock()
	for node, words := range all {
		for part := range slices.Chunk(words, maxWords) {
			tell(node, encodeNote(part))
		}
	}
}
