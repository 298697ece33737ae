package fetch

import (
	"errors"
	"io"
)

// ReadAll appends r to b. At limit bytes or more it gives up with ErrBodyLimit;
// it may be called again with a higher limit.
func ReadAll(r io.Reader, b []byte, limit int64) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
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
