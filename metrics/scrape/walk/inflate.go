package walk

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/metrics/scrape/inflate"
)

// errZstd is clearer than what the parser would say of such a body.
var errZstd = errors.New("target answers with zstd, which it was not asked for")

// inflate decompresses body into the walk's scratch space. The limit on the size
// holds for what comes out, so a bomb is not unpacked further than that; and
// the deadline stops one that unpacks slowly.
func (w *Walk) inflate(deadline time.Time, body []byte) ([]byte, error) {
	if w.decoder == nil {
		w.decoder = new(inflate.Decoder)
	}
	bounds := inflate.Bounds{Bytes: int(min(w.rules.Limits.MaxBody(), math.MaxInt)), Deadline: deadline}
	b, err := w.decoder.Gzip(w.inflated, body, bounds)
	w.inflated = b
	switch {
	case errors.Is(err, inflate.ErrLimit):
		return nil, fetch.ErrBodyLimit
	case err != nil:
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	return b, nil
}

// keptBytes is the size up to which scratch buffers are kept between scrapes.
const keptBytes = 16 << 20

// A scratch is what inflating needs.
type scratch struct {
	decoder  *inflate.Decoder // nil: no body was compressed yet
	inflated []byte
}

// shrink gives up a buffer that an unusually large body has left.
func (s *scratch) shrink() {
	if cap(s.inflated) > keptBytes {
		s.inflated = nil
	}
}
