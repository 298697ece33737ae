package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
)

// fetch asks the target for its page. ctx bounds the whole answer, so that a
// body that drips does not outlast it. size is how large a body is expected.
// The page is to be discarded after use.
func (s *settings) fetch(ctx context.Context, id *identity, size int) (fetch.Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id.url, http.NoBody)
	if err != nil {
		// The parser's own error quotes parts of the URL, passwords among them.
		return fetch.Page{}, fmt.Errorf("parse URL %q: it has an invalid address or scheme", id.Shown)
	}
	req.Header = http.Header{
		"Accept":                              s.accept,
		"Accept-Encoding":                     s.acceptEncoding,
		"User-Agent":                          {userAgent},
		"X-Prometheus-Scrape-Timeout-Seconds": {strconv.FormatFloat(id.Timeout.Seconds(), 'f', -1, 64)},
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
	room := s.depot.Get(size)
	if announced := int(min(resp.ContentLength+1, fetch.LargeBytes)); announced > cap(room) {
		room = s.depot.Grow(room, announced)
	}
	body, large, err := s.read(ctx, resp.Body, room)
	encoding := fetch.EncodingOf(resp.Header.Get("Content-Encoding"))
	pg := fetch.NewPage(body, large, encoding, resp.Header.Get("Content-Type"))
	if err != nil {
		s.depot.Discard(pg)
		return fetch.Page{}, err
	}
	return pg, nil
}

// read reads r to its end into room, a buffer of the depot. If the body becomes
// large it waits for a place, and says so.
func (s *settings) read(ctx context.Context, r io.Reader, room []byte) (b []byte, large bool, err error) {
	limit := s.cfg.Limits.MaxBody()
	b, err = s.depot.ReadAll(r, room, min(limit, fetch.LargeBytes))
	if !errors.Is(err, fetch.ErrBodyLimit) || limit <= fetch.LargeBytes {
		return b, false, err
	}
	select {
	case s.depot.Large <- struct{}{}:
		b, err = s.depot.ReadAll(r, b, limit)
		return b, true, err
	case <-ctx.Done():
		return b, false, fmt.Errorf("wait for room for a large body: %w", ctx.Err())
	}
}
