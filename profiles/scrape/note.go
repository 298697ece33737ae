package scrape

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/profiles/scrape/wire"
)

// A word hands a baseline over, or says that there is none.
type word struct {
	key    owner.Key
	source string    // name of the type
	slot   time.Time // the first one of the new owner
	hops   int       // how many nodes have passed it on
	inheritance
}

// A note is words for one node, in the protobuf wire format, so that fields
// which a newer version adds are skipped:
//
//	note = 1 word …
//	word = 1 key (fixed64), 2 type, 3 slot (Unix ns), 4 baseline, 5 gap, 6 hops

// maxNote is how many bytes of words are collected for one note: with one more
// word it must fit into a letter.
const maxNote = 512 << 10

// maxWord is how large a word may be; a larger baseline is not handed over.
const maxWord = 3 << 20

// maxHops is how often a word is passed on, where a target moves again before
// its slot, or nodes do not agree.
const maxHops = 3

// appendWord appends a word to a note.
func appendWord(note []byte, w word) []byte {
	b := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), uint64(w.key))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), w.source)
	b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(w.slot.UnixNano()))
	if len(w.base) > 0 && len(w.base) < maxWord {
		b = protowire.AppendBytes(protowire.AppendTag(b, 4, protowire.BytesType), w.base)
		b = protowire.AppendString(protowire.AppendTag(b, 5, protowire.BytesType), w.gap)
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), uint64(w.hops))
	return protowire.AppendBytes(protowire.AppendTag(note, 1, protowire.BytesType), b)
}

// decodeNote returns the words of a note. Baselines share its bytes.
func decodeNote(b []byte) ([]word, error) {
	var words []word
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, fmt.Errorf("read tag: %w", protowire.ParseError(n))
		}
		m := protowire.ConsumeFieldValue(number, typ, b[n:])
		if m < 0 {
			return nil, fmt.Errorf("read field %d: %w", number, protowire.ParseError(m))
		}
		if number == 1 && typ == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(b[n:])
			w, err := decodeWord(text)
			if err != nil {
				return nil, err
			}
			words = append(words, w)
		}
		b = b[n+m:]
	}
	return words, nil
}

func decodeWord(b []byte) (w word, err error) {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		m := -1
		if n > 0 {
			m = protowire.ConsumeFieldValue(number, typ, b[n:])
		}
		if m < 0 {
			return w, errors.New("read word: it is damaged")
		}
		value := b[n : n+m]
		b = b[n+m:]
		switch {
		case number == 1 && typ == protowire.Fixed64Type:
			key, _ := protowire.ConsumeFixed64(value)
			w.key = owner.Key(key)
		case number == 2 && typ == protowire.BytesType:
			w.source, _ = protowire.ConsumeString(value)
		case number == 3 && typ == protowire.VarintType:
			at, _ := protowire.ConsumeVarint(value)
			w.slot = time.Unix(0, int64(at))
		case number == 4 && typ == protowire.BytesType:
			text, _ := protowire.ConsumeBytes(value)
			if w.base, err = wire.ParseBaseline(append([]byte(nil), text...)); err != nil {
				return w, err
			}
		case number == 5 && typ == protowire.BytesType:
			w.gap, _ = protowire.ConsumeString(value)
		case number == 6 && typ == protowire.VarintType:
			hops, _ := protowire.ConsumeVarint(value)
			w.hops = int(min(hops, maxHops))
		}
	}
	return w, nil
}

// An outbox collects words for a moment, because a change of the cluster moves
// many targets at once. Any number of goroutines may use it.
type outbox struct {
	mu    sync.Mutex
	notes map[string][]byte // by node
}

// add adds a word for a node. It returns a note that is full, if it has become
// so, and whether the word is the first one: then somebody has to send.
func (o *outbox) add(node string, w word) (full []byte, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if first = o.notes == nil; first {
		o.notes = map[string][]byte{}
	}
	o.notes[node] = appendWord(o.notes[node], w)
	if len(o.notes[node]) > maxNote {
		full = o.notes[node]
		delete(o.notes, node)
	}
	return full, first
}

// send empties the outbox.
func (o *outbox) send(tell func(node string, note []byte)) {
	o.mu.Lock()
	all := o.notes
	o.notes = nil
	o.mu.Unlock()
	for node, note := range all {
		tell(node, note)
	}
}
