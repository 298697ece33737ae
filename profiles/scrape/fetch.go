package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// fetch asks a target for a profile and returns the answer's body, which is to
// be given back after use. ctx bounds the whole answer, so that one that drips
// does not outlast it.
func (s *settings) fetch(ctx context.Context, address, shown string) (*body, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		// The parser's own error quotes parts of the URL, passwords among them.
		return nil, fmt.Errorf("parse URL %q: it has an invalid address or scheme", shown)
	}
	req.Header = http.Header{"Accept-Encoding": {"identity"}, "User-Agent": {userAgent}}
	resp, err := s.client.Do(req)
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return nil, outer.Err // people see the URL beside it
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, refusal(resp)
	}
	b := s.bodies.get()
	if err := b.read(ctx, resp.Body, s.cfg.Limits.body()); err != nil {
		s.bodies.put(b)
		return nil, err
	}
	return b, nil
}

// refusal says what a target answered instead of a profile. Targets say in a
// line why they refuse, such as that another profile is being taken.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if len(line) > 120 || strings.HasPrefix(line, "<") || strings.HasPrefix(line, strconv.Itoa(resp.StatusCode)) {
		line = ""
	}
	if line != "" {
		line = ": " + line
	}
	return fmt.Errorf("server returned HTTP status %s%s", resp.Status, line)
}

// largeBytes is the size beyond which a body needs one of few places. So a
// hundred targets with endless bodies take as much memory as a few.
const (
	largeBytes  = 1 << 20
	largePlaces = 4
)

var errBodyLimit = errors.New("answer is larger than allowed")

// A body is an answer's bytes.
type body struct {
	bytes []byte
	large chan struct{} // the places of large bodies
	taken bool          // it has one of them
}

// read reads r to its end. If that becomes large it waits for a place.
func (b *body) read(ctx context.Context, r io.Reader, limit int64) error {
	done, err := b.readUpTo(r, min(limit, largeBytes))
	if done || err != nil {
		return err
	}
	if limit > largeBytes {
		select {
		case b.large <- struct{}{}:
			b.taken = true
		case <-ctx.Done():
			return fmt.Errorf("wait for room for a large profile: %w", ctx.Err())
		}
		if done, err = b.readUpTo(r, limit); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %d bytes", errBodyLimit, limit)
}

// readUpTo reads until the end of r, or until there are limit bytes.
func (b *body) readUpTo(r io.Reader, limit int64) (done bool, err error) {
	for int64(len(b.bytes)) < limit {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = append(b.bytes, 0)[:len(b.bytes)]
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("read profile: %w", err)
		}
	}
	return false, nil
}

// bodies lends the memory of bodies, which is used again.
type bodies struct {
	free  sync.Pool
	large chan struct{}
}

func newBodies() *bodies { return &bodies{large: make(chan struct{}, largePlaces)} }

func (p *bodies) get() *body {
	if b, ok := p.free.Get().(*body); ok {
		return b
	}
	return &body{bytes: make([]byte, 0, 16<<10), large: p.large}
}

func (p *bodies) put(b *body) {
	if b.taken {
		<-b.large
	}
	if b.taken = false; cap(b.bytes) > largeBytes {
		return
	}
	b.bytes = b.bytes[:0]
	p.free.Put(b)
}
