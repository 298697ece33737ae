package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// What can be wrong besides input that ends too early, which is
// io.ErrUnexpectedEOF.
var (
	ErrLimit    = errors.New("output reaches its limit")
	ErrLate     = errors.New("deadline exceeded while a body was inflated")
	ErrHeader   = errors.New("invalid gzip header")
	ErrChecksum = errors.New("invalid gzip checksum")
	ErrCorrupt  = errors.New("corrupt deflate stream")
)

// Bounds are what one body may cost.
type Bounds struct {
	Bytes    int       // of output at which it is refused
	Deadline time.Time // zero: none
}

// A Decoder inflates bodies, one at a time. Its zero value is ready; it takes
// about 24 KB, which it keeps for the next body.
type Decoder struct {
	bitReader
	bounds Bounds

	out   []byte // all the room there is
	w     int    // end of what was written
	start int    // of this member: matches reach no further back

	lit      [litTable]entry
	dist     [distTable]entry
	codes    [codeTable]entry
	lengths  [maxLit + maxDist]uint8 // of the codes of a block
	building builder
	isFixed  bool // lit and dist are those of the fixed codes
}

// Gzip inflates src, which is one gzip member or several, into the memory of
// dst or, if that is not enough, into new one. It returns what it has written,
// also with an error.
func (d *Decoder) Gzip(dst, src []byte, b Bounds) ([]byte, error) {
	d.bounds, d.out, d.w = b, dst[:cap(dst)], 0
	d.reserve(src)
	err := d.members(src)
	out := d.out[:d.w]
	d.out, d.bitReader = nil, bitReader{}
	return out, err
}

// spread is how much larger than its input an output is believed to be before
// it is there. Expositions shrink to a tenth or a thirtieth.
const spread = 64

// reserve makes the room that src will probably need. Its last four bytes are
// the size of the last member, which is most often the only one.
func (d *Decoder) reserve(src []byte) {
	if len(src) < 4 {
		return
	}
	want := int(binary.LittleEndian.Uint32(src[len(src)-4:]))
	want = min(max(want, 4*len(src)), spread*len(src), d.bounds.Bytes) + 2*slack
	if len(d.out) < want {
		d.out = make([]byte, want)
	}
}

// members inflates one member after the other.
//
//	| header | deflate stream | crc32 uint32 | size uint32, modulo 2³² |
func (d *Decoder) members(src []byte) error {
	if len(src) == 0 {
		return io.ErrUnexpectedEOF
	}
	for at := 0; at < len(src); {
		n, err := header(src[at:])
		if err != nil {
			return err
		}
		d.start = d.w
		d.read(src, at+n)
		if err := d.stream(); err != nil {
			return err
		}
		at = d.offset()
		if len(src)-at < 8 {
			return io.ErrUnexpectedEOF
		}
		member := d.out[d.start:d.w]
		if binary.LittleEndian.Uint32(src[at:]) != crc32.ChecksumIEEE(member) ||
			binary.LittleEndian.Uint32(src[at+4:]) != uint32(len(member)) {
			return ErrChecksum
		}
		at += 8
	}
	return nil
}

// Flags of a header: which parts follow its first ten bytes.
const (
	hasChecksum = 1 << (iota + 1)
	hasExtra
	hasName
	hasComment
)

// maxText is how long a name or a comment may be, with the zero at its end.
// compress/gzip has the same limit.
const maxText = 512

// header reads the header of a member and returns its length.
//
//	| 1f 8b 8 | flags | time uint32 | 2 | n uint16, extra [n] | name 0 | comment 0 | crc16 |
func header(b []byte) (n int, err error) {
	if len(b) < 10 {
		return 0, io.ErrUnexpectedEOF
	}
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return 0, ErrHeader
	}
	flags := b[3]
	n = 10
	if flags&hasExtra != 0 {
		if len(b) < n+2 {
			return 0, io.ErrUnexpectedEOF
		}
		n += 2 + int(binary.LittleEndian.Uint16(b[n:]))
	}
	for _, text := range []byte{hasName, hasComment} {
		if flags&text == 0 {
			continue
		}
		if n >= len(b) {
			return 0, io.ErrUnexpectedEOF
		}
		i := bytes.IndexByte(b[n:min(n+maxText, len(b))], 0)
		if i < 0 {
			return 0, ErrHeader
		}
		n += i + 1
	}
	if flags&hasChecksum != 0 {
		if len(b) < n+2 {
			return 0, io.ErrUnexpectedEOF
		}
		if binary.LittleEndian.Uint16(b[n:]) != uint16(crc32.ChecksumIEEE(b[:n])) {
			return 0, ErrHeader
		}
		n += 2
	}
	if n > len(b) {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}
