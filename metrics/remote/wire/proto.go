package wire

import (
	"encoding/binary"
	"math"
)

// The parts of the protocol buffers encoding that the messages of remote write
// need. A field begins with its tag, which is number<<3 | wire type.
const (
	wireVarint = 0 // an integer in groups of seven bits
	wireFixed  = 1 // eight bytes, little-endian
	wireBytes  = 2 // a length and that many bytes: strings, messages, packed numbers
)

// tag returns the one-byte tag of field numbers 1 to 15.
func tag(field, wire byte) byte { return field<<3 | wire }

// appendVarint appends v in groups of seven bits, the lowest first.
func appendVarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// appendSigned appends v in zigzag form, as fields of type sint32 and sint64 are.
func appendSigned(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

// appendDouble appends the bits of v: a staleness marker stays one.
func appendDouble(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

// appendString appends a field of type string.
func appendString(b []byte, field byte, s string) []byte {
	b = appendVarint(append(b, tag(field, wireBytes)), uint64(len(s)))
	return append(b, s...)
}

// varintLen is the length of v as a varint.
func varintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// A message is encoded in place: begin leaves room for its length, end fills
// it in and moves the body only where the guess was wrong.
//
//	b, at := begin(b, tag, 2)
//	b = append(b, …)
//	b = end(b, at, 2)

// begin appends tag and room for a length of size bytes; at is where it lies.
func begin(b []byte, tag byte, size int) (_ []byte, at int) {
	b = append(b, tag)
	at = len(b)
	return append(b, "\x00\x00\x00\x00"[:size]...), at
}

// end writes the length of what follows the room of size bytes at at.
func end(b []byte, at, size int) []byte {
	body := len(b) - at - size
	if size == 2 && body >= 1<<7 && body < 1<<14 {
		b[at], b[at+1] = byte(body)|0x80, byte(body>>7)
		return b
	}
	want := varintLen(uint64(body))
	if want > size {
		b = append(b, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:want-size]...)
	}
	if want != size {
		copy(b[at+want:], b[at+size:at+size+body])
		b = b[:at+want+body]
	}
	binary.PutUvarint(b[at:at+want], uint64(body))
	return b
}
