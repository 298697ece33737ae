package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
)

var (
	errBodyLimit = errors.New("body size limit exceeded")
	errTooLate   = errors.New("deadline exceeded while the body was inflated")
)

// A page is what a target answered.
type page struct {
	body        []byte // as it came, from the buffers; nil without one
	large       bool   // it has one of the places of large bodies
	compressed  bool
	contentType string
}

// fetch asks the target for its page. ctx bounds the whole answer, so that a
// body that drips does not outlast it. size is how large a body is expected.
// The page is to be discarded after use.
func (s *settings) fetch(ctx context.Context, id *identity, size int) (page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id.url, http.NoBody)
	if err != nil {
		// The parser's own error quotes parts of the URL, passwords among them.
		return page{}, fmt.Errorf("parse URL %q: it has an invalid address or scheme", id.shownURL)
	}
	req.Header = http.Header{
		"Accept":                              s.accept,
		"Accept-Encoding":                     s.acceptEncoding,
		"User-Agent":                          {userAgent},
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(id.timeout.Seconds(), 'f', -1, 64)},
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// Reading a short answer to its end lets the connection live on.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return page{}, fmt.Errorf("server returned HTTP status %s", resp.Status)
	}
	pg := page{
		compressed:  resp.Header.Get("Content-Encoding") == "gzip",
		contentType: resp.Header.Get("Content-Type"),
	}
	size = max(size, int(min(resp.ContentLength+1, largeBytes)))
	pg.body, err = s.read(ctx, resp.Body, size, &pg.large)
	if err != nil {
		s.discard(pg)
		return page{}, err
	}
	return pg, nil
}

// largeBytes is the size beyond which a body needs one of few places. So a
// hundred targets with endless bodies take as much memory as two.
const largeBytes = 4 << 20

// largePlaces is how many large bodies there may be at one time.
const largePlaces = 2

// read reads r to its end into a buffer of about size bytes to begin with. If
// the body becomes large it waits for a place, and says so.
func (s *settings) read(ctx context.Context, r io.Reader, size int, large *bool) ([]byte, error) {
	limit := s.cfg.Limits.bodyBytes()
	b, err := readAll(r, s.buffers.get(size), min(limit, largeBytes))
	if !errors.Is(err, errBodyLimit) || limit <= largeBytes {
		return b, err
	}
	select {
	case s.large <- struct{}{}:
		*large = true
		return readAll(r, b, limit)
	case <-ctx.Done():
		return b, fmt.Errorf("wait for room for a large body: %w", ctx.Err())
	}
}

// discard gives back what a page has taken.
func (s *settings) discard(pg page) {
	s.buffers.put(pg.body)
	if pg.large {
		<-s.large
	}
}

// readAll appends r to b. At limit bytes or more it gives up; it may be called
// again with a higher limit.
func readAll(r io.Reader, b []byte, limit int64) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) >= limit:
			return b, errBodyLimit
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// inflate decompresses body into the walk's scratch space. The limit on the size
// holds for what comes out, so a bomb is not unpacked further than that; and
// ctx stops one that unpacks slowly.
func (w *walk) inflate(ctx context.Context, body []byte) ([]byte, error) {
	w.source.Reset(body)
	if w.gzip == nil {
		w.gzip = new(gzip.Reader)
	}
	if err := w.gzip.Reset(&w.source); err != nil {
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	defer w.gzip.Close()
	r := &timely{Reader: w.gzip, ctx: ctx}
	b, err := readAll(r, w.inflated[:0], w.set.cfg.Limits.bodyBytes())
	w.inflated = b
	if err != nil && !errors.Is(err, errBodyLimit) {
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	return b, err
}

// A timely reader stops when its context does.
type timely struct {
	io.Reader
	ctx context.Context
}

// Read reads unless the context is done.
func (t *timely) Read(b []byte) (int, error) {
	if t.ctx.Err() != nil {
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

// buffers keeps byte slices for reuse, by size class: class i holds those with
// a capacity of at least 2^i bytes. Bodies differ in size by orders of magnitude
// from target to target, but hardly from scrape to scrape.
type buffers [25]sync.Pool

// smallest is the least capacity of a buffer, as a class.
const smallest = 12

// get returns an empty slice with room for size bytes, if size is not extreme.
func (p *buffers) get(size int) []byte {
	class := min(max(smallest, bits.Len(uint(size))), len(p)-1)
	if b, ok := p[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// put takes a slice back.
func (p *buffers) put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if class >= smallest && class < len(p) {
		p[class].Put(&b)
	}
}
