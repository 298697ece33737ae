package plainhttp

// Chunks takes the body out of a chunked answer, in place. The zero Chunks
// awaits the first chunk.
//
//	| size in hex | CRLF | … | CRLF | size … | 0 | CRLF | CRLF |
type Chunks struct {
	left int64 // bytes of the chunk that is being read, with the CRLF behind it; 0: a size comes
	done bool
}

// Done reports whether the end of the body has been decoded.
func (c *Chunks) Done() bool { return c.done }

// Decode moves the body's bytes in b[from:] down to b[to:] and returns where
// both ended: what is behind from is incomplete or, once Done, of no chunk. The
// error is ErrUnusual.
func (c *Chunks) Decode(b []byte, to, from int) (newTo, newFrom int, err error) {
	for !c.done && from < len(b) {
		if c.left == 0 {
			size, n, err := chunkSize(b[from:])
			if n == 0 || err != nil {
				return to, from, err
			}
			if size == 0 {
				if len(b) < from+n+2 {
					return to, from, nil
				}
				if b[from+n] != '\r' || b[from+n+1] != '\n' {
					return to, from, ErrUnusual // trailers
				}
				c.done = true
				return to, from + n + 2, nil
			}
			from, c.left = from+n, size+2
		}
		n := int(min(int64(len(b)-from), max(c.left-2, 0)))
		to += copy(b[to:], b[from:from+n])
		from, c.left = from+n, c.left-int64(n)
		if c.left > 2 {
			return to, from, nil
		}
		if len(b) < from+2 {
			return to, from, nil
		}
		if b[from] != '\r' || b[from+1] != '\n' {
			return to, from, ErrUnusual
		}
		from, c.left = from+2, 0
	}
	return to, from, nil
}

// chunkSize reads the line with a chunk's size. n is the length of the line, 0
// if it is not complete.
func chunkSize(b []byte) (size int64, n int, err error) {
	for i, c := range b {
		switch {
		case c == '\r' && i > 0:
			if i+1 == len(b) {
				return 0, 0, nil
			}
			if b[i+1] != '\n' {
				return 0, 0, ErrUnusual
			}
			return size, i + 2, nil
		case i == 15:
			return 0, 0, ErrUnusual
		case c >= '0' && c <= '9':
			size = size<<4 | int64(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			size = size<<4 | int64(c|0x20-'a'+10)
		default:
			return 0, 0, ErrUnusual
		}
	}
	return 0, 0, nil
}
