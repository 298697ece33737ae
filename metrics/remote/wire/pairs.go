package wire

import (
	"encoding/binary"
	"hash/maphash"
)

// A pair is the number of one label, name and value, in a pairs table.
type pair = uint32

// pairs holds every label that some series has, once, encoded as it goes into
// a WriteRequest (field 1 of a TimeSeries):
//
//	| 0x0A | length | 0x0A | length | name | 0x12 | length | value |
//
// A series is then a list of numbers, and writing its labels is copying these
// bytes. Bytes are only ever appended; a label that nobody uses any more is
// garbage until compact.
type pairs struct {
	seed    maphash.Seed
	bytes   []byte   // encoded labels, back to back
	at      []uint32 // pair -> where in bytes it begins
	users   []uint32 // pair -> number of series that have it
	free    []pair
	reuse   int // how often a number was given to another label
	index   index
	garbage int // bytes of labels without users
}

// newPairs returns an empty table. The hash has a random key, so that nobody
// can choose labels that collide.
func newPairs() pairs { return pairs{seed: maphash.MakeSeed()} }

// encoded returns the bytes of p.
func (t *pairs) encoded(p pair) []byte {
	at := t.at[p]
	size := uint32(t.bytes[at+1])
	if size < 0x80 {
		return t.bytes[at : at+2+size]
	}
	long, n := binary.Uvarint(t.bytes[at+1:])
	return t.bytes[at : at+1+uint32(n)+uint32(long)]
}

// label returns the name and the value of p, inside the table's bytes.
func (t *pairs) label(p pair) (name, value []byte) {
	b := t.encoded(p)[1:]
	_, n := binary.Uvarint(b)
	name, b = cutString(b[n:])
	value, _ = cutString(b)
	return name, value
}

// cutString returns the string field that b begins with, and the rest.
func cutString(b []byte) (s, rest []byte) {
	size, n := binary.Uvarint(b[1:])
	b = b[1+n:]
	return b[:size], b[size:]
}

// intern returns the number of a label, a new one if need be. A new label has
// no users yet.
func (t *pairs) intern(name, value string) pair {
	start := len(t.bytes)
	body := 2 + varintLen(uint64(len(name))) + len(name) + varintLen(uint64(len(value))) + len(value)
	t.bytes = appendVarint(append(t.bytes, tag(1, wireBytes)), uint64(body))
	t.bytes = appendString(t.bytes, 1, name)
	t.bytes = appendString(t.bytes, 2, value)
	fresh := t.bytes[start:]
	hash := maphash.Bytes(t.seed, fresh)
	p, known := t.index.find(hash, func(p pair) bool { return string(t.encoded(p)) == string(fresh) })
	if known {
		t.bytes = t.bytes[:start]
		return p
	}
	p = t.slot()
	t.at[p], t.users[p] = uint32(start), 0
	t.index.add(hash, p, t.hashOf)
	return p
}

// hashOf returns the hash of what p stands for.
func (t *pairs) hashOf(p pair) uint64 { return maphash.Bytes(t.seed, t.encoded(p)) }

// slot returns an unused number.
func (t *pairs) slot() pair {
	if n := len(t.free); n > 0 {
		p := t.free[n-1]
		t.free = t.free[:n-1]
		t.reuse++
		return p
	}
	t.at = append(t.at, 0)
	t.users = append(t.users, 0)
	return pair(len(t.at) - 1)
}

// hold adds one user to p.
func (t *pairs) hold(p pair) { t.users[p]++ }

// release takes one user from p. The last one takes p with it.
func (t *pairs) release(p pair) {
	if t.users[p]--; t.users[p] > 0 {
		return
	}
	t.index.remove(t.hashOf(p), p)
	t.garbage += len(t.encoded(p))
	t.free = append(t.free, p)
	if t.garbage > 64<<10 && 2*t.garbage > len(t.bytes) {
		t.compact()
	}
}

// compact copies what is used into a new slab. Readers of the old one are not
// disturbed, for its bytes do not change.
func (t *pairs) compact() {
	fresh := make([]byte, 0, len(t.bytes)-t.garbage+len(t.bytes)/8)
	for p := range t.at {
		if t.users[p] > 0 {
			b := t.encoded(pair(p))
			t.at[p] = uint32(len(fresh))
			fresh = append(fresh, b...)
		}
	}
	t.bytes, t.garbage = fresh, 0
}
