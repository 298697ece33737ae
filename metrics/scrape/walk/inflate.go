package walk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
)

var errTooLate = errors.New("deadline exceeded while the body was inflated")

// inflate decompresses body into the walk's scratch space. The limit on the size
// holds for what comes out, so a bomb is not unpacked further than that; and
// the deadline stops one that unpacks slowly.
func (w *Walk) inflate(deadline time.Time, body []byte) ([]byte, error) {
	w.source.Reset(body)
	if w.gzip == nil {
		w.gzip = new(gzip.Reader)
	}
	if err := w.gzip.Reset(&w.source); err != nil {
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	defer w.gzip.Close()
	r := &timely{Reader: w.gzip, deadline: deadline}
	b, err := fetch.ReadAll(r, w.inflated[:0], w.rules.Limits.MaxBody())
	w.inflated = b
	if err != nil && !errors.Is(err, fetch.ErrBodyLimit) {
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	return b, err
}

// A timely reader stops at a deadline.
type timely struct {
	io.Reader
	deadline time.Time
}

// Read reads unless it is too late.
func (t *timely) Read(b []byte) (int, error) {
	if !time.Now().Before(t.deadline) {
		return 0, errTooLate
	}
	return t.Reader.Read(b)
}

// keptBytes is the size up to which scratch buffers are kept between scrapes.
const keptBytes = 16 << 20

// A scratch is what inflating needs.
type scratch struct {
	source bytes.Reader
	gzip   *gzip.Reader

	inflated []byte
}

// shrink gives up a buffer that an unusually large body has left.
func (s *scratch) shrink() {
	if cap(s.inflated) > keptBytes {
		s.inflated = nil
	}
}
