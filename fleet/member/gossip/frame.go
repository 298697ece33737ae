package gossip

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A frame is
//
//	| 0xCC | length uint16 | payload |     with up to 65,535 bytes of payload
//	| 0xCD | length uint32 | payload |     with any number
//
// big-endian. We write the shorter form, and read either at any length up to
// the reader's limit. A body is any number of frames, and ends between two.
const (
	magicShort = 0xCC
	magicLong  = 0xCD

	shortHeader = 3
	longHeader  = 5
)

var (
	errFrame  = errors.New("malformed frame")                 // no frame, or one beyond the limit
	errMemory = errors.New("too many packets are being read") // claim said no
)

// appendFrame appends payload to dst as one frame in its shorter form.
func appendFrame(dst, payload []byte) []byte {
	if len(payload) <= math.MaxUint16 {
		dst = append(dst, magicShort)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	} else {
		dst = append(dst, magicLong)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	}
	return append(dst, payload...)
}

// A frameReader reads the frames of one body: either whole packets, or one
// stream of bytes.
type frameReader struct {
	r      *bufio.Reader
	max    int    // longest payload, in bytes
	left   int    // bytes of the current frame that Read has not returned yet
	frames uint64 // headers read
	// claim asks for n bytes of memory; nil: any number may be had.
	claim func(n int) bool
}

// newFrameReader returns a reader of r's frames that refuses payloads of more
// than max bytes.
func newFrameReader(r io.Reader, max int) *frameReader {
	return &frameReader{r: bufio.NewReader(r), max: max}
}

// header reads the header of the next frame and returns the length of its
// payload. The error is io.EOF at the end of the body, io.ErrUnexpectedEOF
// inside a header, and errFrame for what is no header.
func (f *frameReader) header() (int, error) {
	magic, err := f.r.ReadByte()
	if err != nil {
		return 0, err
	}
	var b [longHeader - 1]byte
	size := b[:shortHeader-1]
	switch magic {
	case magicShort:
	case magicLong:
		size = b[:]
	default:
		return 0, fmt.Errorf("%w: begins with 0x%02x", errFrame, magic)
	}
	if _, err := io.ReadFull(f.r, size); err != nil {
		return 0, inside(err)
	}
	n := uint64(binary.BigEndian.Uint16(size))
	if magic == magicLong {
		n = uint64(binary.BigEndian.Uint32(size))
	}
	if n > uint64(f.max) {
		return 0, fmt.Errorf("%w: %d bytes, limit %d", errFrame, n, f.max)
	}
	f.frames++
	return int(n), nil
}

// packet reads a whole frame and returns its payload. It holds at most twice
// the bytes that have arrived, or 4 KiB. Errors are those of header; a payload
// that is cut short fails with io.ErrUnexpectedEOF, errMemory means that there
// is no room for it.
func (f *frameReader) packet() ([]byte, error) {
	n, err := f.header()
	if err != nil {
		return nil, err
	}
	var buf []byte
	for len(buf) < n {
		if len(buf) == cap(buf) {
			size := min(n, max(4096, 2*len(buf)))
			if f.claim != nil && !f.claim(size-len(buf)) {
				return nil, errMemory
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		m, err := f.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if err != nil && len(buf) < n {
			return nil, inside(err)
		}
	}
	return buf, nil
}

// Read returns bytes of the payloads as one stream, never across two frames
// in one call.
func (f *frameReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.left == 0 {
		n, err := f.header()
		if err != nil {
			return 0, err
		}
		f.left = n
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	if err != nil && f.left > 0 {
		err = inside(err)
	}
	if n > 0 {
		err = nil // a lasting error comes back with the next call
	}
	return n, err
}

// inside returns err as it reads within a frame, where no end is expected.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
