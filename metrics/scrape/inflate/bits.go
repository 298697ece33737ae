package inflate

import "encoding/binary"

// A bitReader gives the bits of a slice, the lowest of each byte first. It
// loads eight bytes at once, so near the end it goes on in a copy that has
// zeros behind it; who reads on is told by ended.
type bitReader struct {
	src  []byte
	in   []byte // what is loaded from: src, or tail
	p    int    // of in: the next byte that bits does not have
	off  int    // of in[0] in src
	last bool   // in is tail

	bits uint64 // the next bits; those above the n lowest may be right or zero
	n    uint64

	tail [tailBytes]byte
}

const (
	// reach is how far behind p two fills in a row may load.
	reach = 16

	// padding is how many zeros follow the input. They are enough for all that
	// is loaded before the end is noticed.
	padding = reach + 8

	tailBytes = reach + 8 + padding
)

// read goes on at offset at of src.
func (r *bitReader) read(src []byte, at int) {
	r.src, r.in, r.p, r.off, r.last = src, src, at, 0, false
	r.bits, r.n = 0, 0
}

// offset is where in src the next bit is, rounded up to whole bytes. It is
// beyond the end if more was read than there is.
func (r *bitReader) offset() int { return r.off + r.p - int(r.n>>3) }

// ended reports whether more was read than there is.
func (r *bitReader) ended() bool { return r.offset() > len(r.src) }

// turn goes over to the tail if in has less than reach bytes left. It is false
// if that was done before: the input has ended.
func (r *bitReader) turn() bool {
	if r.p <= len(r.in)-reach {
		return true
	}
	if r.last {
		return false
	}
	r.p -= int(r.n >> 3)
	r.n &= 7
	r.bits &= 1<<r.n - 1
	rest := copy(r.tail[:], r.src[r.p:])
	clear(r.tail[rest:])
	r.in, r.off, r.p, r.last = r.tail[:rest+padding], r.p, 0, true
	return true
}

// fill makes 56 bits or more available. turn must have been true within the
// last two calls.
func (r *bitReader) fill() {
	r.bits |= binary.LittleEndian.Uint64(r.in[r.p:]) << (r.n & 63)
	r.p += int((63 - r.n) >> 3)
	r.n |= 56
}

// take removes the next count bits, of those that fill has made available.
func (r *bitReader) take(count uint64) int {
	v := r.bits & (1<<(count&63) - 1)
	r.bits >>= count & 63
	r.n -= count
	return int(v)
}
