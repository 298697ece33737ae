package fetch

import (
	"errors"
	"io"
)

// ReadAll appends r to b, which is of p as is what it returns. At limit bytes or
// more it gives up with ErrBodyLimit; it may be called again with a higher limit.
func (p *Buffers) ReadAll(r io.Reader, b []byte, limit int64) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = p.Grow(b, larger(b))
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) >= limit:
			return b, ErrBodyLimit
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// larger returns the capacity that b is to grow to. A large buffer grows by less,
// since it is copied once anyway.
func larger(b []byte) int {
	if cap(b) >= 1<<largest {
		return cap(b) + cap(b)/2
	}
	return 2 * cap(b)
}
