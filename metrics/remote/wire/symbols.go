package wire

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/divvy-collector/divvy/telemetry"
)

// symbols is the symbol table of one remote write 2.0 block: every string
// once, in the order of first use, encoded as field 4 of the request.
// Symbol 0 is the empty string, as the protocol wants it.
type symbols struct {
	seed  maphash.Seed
	bytes []byte   // encoded, back to back
	at    []uint32 // symbol -> where in bytes it begins
	index index
	pairs pairCache
	short [1024]shortRefs
	about []byte // Metadata of one family, encoded
	of    *Table // whose pairs the cache knows
	reuse int    // state of that table's numbers
}

// newSymbols returns a table with the empty string alone.
func newSymbols() *symbols {
	s := &symbols{seed: maphash.MakeSeed()}
	s.reset()
	return s
}

// reset makes it so again and keeps the memory.
func (s *symbols) reset() {
	s.bytes, s.at = append(s.bytes[:0], tag(4, wireBytes), 0), append(s.at[:0], 0)
	s.index.reset()
	s.pairs.reset()
	clear(s.short[:])
	s.of = nil
}

// use makes the cache one of t's pairs. A number that t has given to another
// label since would stand for the wrong strings.
func (s *symbols) use(t *Table) {
	if s.of != t || s.reuse != t.pairs.reuse {
		s.pairs.reset()
		clear(s.short[:])
		s.of, s.reuse = t, t.pairs.reuse
	}
}

// ref returns the number of a string.
func (s *symbols) ref(str []byte) uint32 {
	if len(str) == 0 {
		return 0
	}
	hash := maphash.Bytes(s.seed, str)
	n, known := s.index.find(hash, func(n uint32) bool { return string(s.str(n)) == string(str) })
	if known {
		return n
	}
	n = uint32(len(s.at))
	s.at = append(s.at, uint32(len(s.bytes)))
	s.bytes = appendVarint(append(s.bytes, tag(4, wireBytes)), uint64(len(str)))
	s.bytes = append(s.bytes, str...)
	s.index.add(hash, n, func(n uint32) uint64 { return maphash.Bytes(s.seed, s.str(n)) })
	return n
}

// numbers returns a look-up of the symbols as a receiver reads them. A string
// that is not among them has a number that no symbol has.
func (s *symbols) numbers() (ref func(str []byte) uint64) {
	list, _ := cutSymbols(s.bytes)
	numbers := make(map[string]uint64, len(list))
	for i, str := range list {
		numbers[str] = uint64(i)
	}
	return func(str []byte) uint64 {
		if n, known := numbers[string(str)]; known {
			return n
		}
		return uint64(len(list))
	}
}

// fresh returns a look-up that gives every string a new number: those that
// there are may be wrong.
func (s *symbols) fresh() (ref func(str []byte) uint64) {
	numbers := map[string]uint64{"": 0}
	return func(str []byte) uint64 {
		n, known := numbers[string(str)]
		if !known {
			n = uint64(len(s.at))
			numbers[string(str)] = n
			s.at = append(s.at, uint32(len(s.bytes)))
			s.bytes = appendMessage(s.bytes, 4, str)
		}
		return n
	}
}

// str returns the string with number n.
func (s *symbols) str(n uint32) []byte {
	b := s.bytes[s.at[n]+1:]
	size, head := binary.Uvarint(b)
	return b[head : head+int(size)]
}

// appendRefs appends the two references of a pair of the table in use, packed.
func (s *symbols) appendRefs(b []byte, p pair) []byte {
	refs, known := s.pairs.find(uint64(p) + 1)
	if !known {
		name, value := s.of.pairs.label(p)
		refs = uint64(s.ref(name))<<32 | uint64(s.ref(value))
		s.pairs.add(uint64(p)+1, refs)
	}
	name, value := refs>>32, refs&(1<<32-1)
	if name < 0x80 && value < 0x80 {
		return append(b, byte(name), byte(value))
	}
	return appendVarint(appendVarint(b, name), value)
}

// shortRefs are the encoded references of a pair, if they are short. Each pair
// has one place among them where it may be.
type shortRefs struct {
	pair  pair
	bytes uint32 // the first comes first in memory
	size  uint8  // how many count; 0: none
}

// shorten returns the references of a pair of the table in use, none if they
// take more than refsSize bytes.
func (s *symbols) shorten(p pair) shortRefs {
	var memory [2 * binary.MaxVarintLen32]byte
	b := s.appendRefs(memory[:0], p)
	if len(b) > refsSize {
		return shortRefs{}
	}
	return shortRefs{pair: p, bytes: binary.LittleEndian.Uint32(memory[:]), size: uint8(len(b))}
}

// aboutFamily puts the field with the metadata of a family into about.
func (s *symbols) aboutFamily(t *Table, family uint32) {
	s.about = s.about[:0]
	if family != 0 {
		s.about = s.appendMetadata2(s.about, &t.families.list[family])
	}
}

// appendMetadata2 appends what describes a series.
func (s *symbols) appendMetadata2(b []byte, md *telemetry.Metadata) []byte {
	b, at := begin(b, tag(5, wireBytes), 1)
	b = appendVarint(append(b, tag(1, wireVarint)), metricType(md.Type))
	b = appendVarint(append(b, tag(3, wireVarint)), uint64(s.ref([]byte(md.Help))))
	b = appendVarint(append(b, tag(4, wireVarint)), uint64(s.ref([]byte(md.Unit))))
	return end(b, at, 1)
}

// A pairCache remembers the references of the pairs that a block has seen: a
// table with open addressing by pair + 1, where 0 marks a free slot.
type pairCache struct {
	slots []struct{ key, refs uint64 }
	used  int
}

// find returns the two references of a key.
func (c *pairCache) find(key uint64) (refs uint64, ok bool) {
	if len(c.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(c.slots) - 1)
	for i := spread(key) & mask; c.slots[i].key != 0; i = (i + 1) & mask {
		if c.slots[i].key == key {
			return c.slots[i].refs, true
		}
	}
	return 0, false
}

// add stores a key that is not there yet. The table stays at most half full.
func (c *pairCache) add(key, refs uint64) {
	if 2*(c.used+1) > len(c.slots) {
		old := c.slots
		*c = pairCache{slots: make([]struct{ key, refs uint64 }, max(256, 2*len(old)))}
		for _, s := range old {
			if s.key != 0 {
				c.add(s.key, s.refs)
			}
		}
	}
	mask := uint64(len(c.slots) - 1)
	i := spread(key) & mask
	for c.slots[i].key != 0 {
		i = (i + 1) & mask
	}
	c.slots[i] = struct{ key, refs uint64 }{key, refs}
	c.used++
}

// reset empties the table and keeps its memory.
func (c *pairCache) reset() {
	clear(c.slots)
	c.used = 0
}

// spread makes neighbouring keys far from each other (Fibonacci hashing).
func spread(key uint64) uint64 { return key * 0x9E3779B97F4A7C15 >> 20 }
