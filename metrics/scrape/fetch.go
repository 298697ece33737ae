package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
)

var errTooLate = errors.New("deadline exceeded while the body was inflated")

// fetch asks the target for its page. ctx bounds the whole answer, so that a
// body that drips does not outlast it. size is how large a body is expected.
// The page is to be discarded after use.
func (s *settings) fetch(ctx context.Context, id *identity, size int) (fetch.Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id.url, http.NoBody)
	if err != nil {
		// The parser's own error quotes parts of the URL, passwords among them.
		return fetch.Page{}, fmt.Errorf("parse URL %q: it has an invalid address or scheme", id.shownURL)
	}
	req.Header = http.Header{
		"Accept":                              s.accept,
		"Accept-Encoding":                     s.acceptEncoding,
		"User-Agent":                          {userAgent},
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(id.timeout.Seconds(), 'f', -1, 64)},
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fetch.Page{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// Reading a short answer to its end lets the connection live on.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return fetch.Page{}, fetch.StatusError(resp.Status)
	}
	size = max(size, int(min(resp.ContentLength+1, fetch.LargeBytes)))
	body, large, err := s.read(ctx, resp.Body, size)
	pg := fetch.NewPage(body, large, resp.Header.Get("Content-Encoding") == "gzip", resp.Header.Get("Content-Type"))
	if err != nil {
		s.depot.Discard(pg)
		return fetch.Page{}, err
	}
	return pg, nil
}

// read reads r to its end into a buffer of about size bytes to begin with. If
// the body becomes large it waits for a place, and says so.
func (s *settings) read(ctx context.Context, r io.Reader, size int) (b []byte, large bool, err error) {
	limit := s.cfg.Limits.bodyBytes()
	b, err = readAll(r, s.depot.Get(size), min(limit, fetch.LargeBytes))
	if !errors.Is(err, fetch.ErrBodyLimit) || limit <= fetch.LargeBytes {
		return b, false, err
	}
	select {
	case s.depot.Large <- struct{}{}:
		b, err = readAll(r, b, limit)
		return b, true, err
	case <-ctx.Done():
		return b, false, fmt.Errorf("wait for room for a large body: %w", ctx.Err())
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
			return b, fetch.ErrBodyLimit
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// inflate decompresses body into the walk's scratch space. The limit on the size
// holds for what comes out, so a bomb is not unpacked further than that; and
// the deadline stops one that unpacks slowly.
func (w *walk) inflate(deadline time.Time, body []byte) ([]byte, error) {
	w.source.Reset(body)
	if w.gzip == nil {
		w.gzip = new(gzip.Reader)
	}
	if err := w.gzip.Reset(&w.source); err != nil {
		return nil, fmt.Errorf("inflate body: %w", err)
	}
	defer w.gzip.Close()
	r := &timely{Reader: w.gzip, deadline: deadline}
	b, err := readAll(r, w.inflated[:0], w.set.cfg.Limits.bodyBytes())
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
