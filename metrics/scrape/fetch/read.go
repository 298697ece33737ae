package fetch

import (
	"errors"
	"fmt"
	"io"
)

// room is how much more than the expected body a buffer has: for the head, and
// for a body that has grown a little.
const room = 1 << 10

// maxRefusal bounds the body of an answer with another status than 200, which
// is read for nothing but to keep the connection.
const maxRefusal = 64 << 10

// read takes what has come for c, until nothing is left or the answer is
// complete.
func (l *Loop) read(c *conn) {
	if c.r == nil {
		l.forget(c) // an idle connection has nothing to say but that it ends
		return
	}
	for {
		if err := l.makeRoom(c); err != nil {
			if !errors.Is(err, errStalled) {
				l.fail(c, err)
			}
			return
		}
		n, err := read(c.fd, c.buf[len(c.buf):cap(c.buf)])
		if errors.Is(err, errWait) {
			return
		}
		if err != nil || n == 0 {
			l.fail(c, broken(c, err))
			return
		}
		c.buf = c.buf[:len(c.buf)+n]
		done, err := c.take()
		if err != nil {
			l.fail(c, err)
			return
		}
		if done {
			l.finish(c)
			return
		}
	}
}

// broken returns the error of a connection that ended in the middle.
func broken(c *conn, err error) error {
	switch {
	case len(c.buf) == 0:
		return errDead
	case err != nil:
		return fmt.Errorf("read answer: %w", err)
	}
	return io.ErrUnexpectedEOF
}

// errStalled says that there is no place for a large body now.
var errStalled = errors.New("large bodies wait for a place")

// makeRoom sees to it that something can be read into the buffer of c.
func (l *Loop) makeRoom(c *conn) error {
	if c.buf == nil {
		c.buf = l.depot.Get(c.r.Size + room)
	}
	want := cap(c.buf)
	if len(c.buf) == cap(c.buf) {
		want = larger(c.buf)
	}
	if c.body > 0 && c.head.Length > 0 {
		want = max(want, c.body+int(min(c.head.Length, LargeBytes)))
	}
	if want > LargeBytes && len(c.buf) >= LargeBytes && !c.large {
		select {
		case l.depot.Large <- struct{}{}:
			c.large = true
		default:
			l.stalled = append(l.stalled, c)
			return errStalled
		}
	}
	if want > cap(c.buf) {
		c.buf = l.depot.Grow(c.buf, want)
	}
	return nil
}

// take reads the answer as far as it has come and reports whether it is
// complete.
func (c *conn) take() (done bool, err error) {
	if c.body == 0 {
		if c.head, c.body, err = parseHead(c.buf, c.r.Type); c.body == 0 {
			return false, err
		}
		c.end = c.body
	}
	limit := c.r.Limit
	if !c.head.ok() {
		limit = maxRefusal
	}
	if c.head.Length >= 0 {
		c.end = min(len(c.buf), c.body+int(min(c.head.Length, limit)))
		done = int64(c.end-c.body) == c.head.Length
	} else {
		from := 0
		if c.end, from, err = c.chunk.Decode(c.buf, c.end, c.end); err != nil {
			return false, err
		}
		rest := copy(c.buf[c.end:], c.buf[from:]) // so that what is not decoded follows the body
		c.buf, done = c.buf[:c.end+rest], c.chunk.Done()
	}
	if int64(c.end-c.body) >= limit {
		if !c.head.ok() {
			return false, StatusError(c.head.Status)
		}
		return false, ErrBodyLimit
	}
	return done, nil
}

// finish hands the answer over and keeps the connection if it can be used again.
func (l *Loop) finish(c *conn) {
	r, h := c.r, c.head
	pg := Page{
		Body: c.buf[c.body:c.end:c.end], Encoding: h.encoding, ContentType: h.contentType,
		buf: c.buf, large: c.large,
	}
	l.answers++
	exact := c.end == len(c.buf)
	c.buf, c.large = nil, false
	if exact && !h.Last {
		l.busy--
		l.park(c)
	} else {
		l.drop(c)
	}
	if !h.ok() {
		l.depot.Discard(pg)
		r.Done(Page{}, StatusError(h.Status))
		return
	}
	r.Done(pg, nil)
}
