package queue

import (
	"bytes"
	"io"
)

// pageBytes is what a scanner reads at a time, and the least that is given up
// where the disk cannot read.
const pageBytes = 4096

// A scanner finds records in a segment file, whatever else is in it. It is for
// one goroutine.
type scanner struct {
	f    io.ReaderAt
	id   uint64
	size int64 // bytes at and after size are not looked at
	off  int64 // offset of buf
	buf  []byte
}

// locate returns the first record at or after off. What lies between is damage.
//
// Without a record, end tells where damage ends: at the end of the file, or
// earlier if what follows is what a crash leaves of a write: a record cut
// short, less than a header, or nothing but zeros.
func (s *scanner) locate(off int64) (h header, end int64, ok bool) {
	h, ok = headerAt(s.bytes(off), s.id, off)
	if !ok {
		if off, ok = s.search(off); !ok {
			return header{}, off, false
		}
		h, _ = headerAt(s.bytes(off), s.id, off)
	}
	return h, off, off+h.size() <= s.size
}

// search looks for a header that checks at or after off.
func (s *scanner) search(off int64) (end int64, ok bool) {
	zero := s.size-off >= headerBytes // else: less than a header
	if !zero {
		return off, false
	}
	for at := off; at < s.size; {
		b := s.bytes(at)
		if i := findHeader(b, s.id, at); i >= 0 {
			return at + int64(i), true
		}
		zero = zero && len(bytes.TrimLeft(b, "\x00")) == 0
		if at+int64(len(b)) == s.size {
			break
		}
		at += int64(len(b)) - headerBytes + 1 // a header may straddle the pages
	}
	if zero {
		return off, false
	}
	return s.size, false
}

// bytes returns some bytes of the file from off on: at least a header, unless
// the file ends before.
func (s *scanner) bytes(off int64) []byte {
	want := min(headerBytes, max(s.size-off, 0))
	if i := off - s.off; i >= 0 && i+want <= int64(len(s.buf)) {
		return s.buf[i:]
	}
	if s.buf == nil {
		s.buf = make([]byte, pageBytes)
	}
	s.buf = s.buf[:max(min(pageBytes, s.size-off), 0)]
	s.off = off
	readPages(s.f, s.buf, off)
	return s.buf
}

// reset points the scanner at another file, or at the same after it has grown.
func (s *scanner) reset(f io.ReaderAt, id uint64, size int64) {
	s.f, s.id, s.size, s.off, s.buf = f, id, size, 0, s.buf[:0]
}

// readPages fills buf from off on. What cannot be read becomes zeros, which are
// damage to whoever looks at them; a bad page does not cost its neighbours.
func readPages(f io.ReaderAt, buf []byte, off int64) {
	n, err := f.ReadAt(buf, off)
	if n == len(buf) {
		return
	}
	if err == io.EOF {
		clear(buf[n:])
		return
	}
	for len(buf) > 0 {
		page := buf[:min(pageBytes-off%pageBytes, int64(len(buf)))]
		if n, _ := f.ReadAt(page, off); n < len(page) {
			clear(page[n:])
		}
		buf, off = buf[len(page):], off+int64(len(page))
	}
}
