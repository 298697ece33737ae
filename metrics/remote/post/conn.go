package post

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/divvy-collector/divvy/metrics/plainhttp"
)

const (
	firstBuffer = 4 << 10  // for an answer: as a rule it is a head of a few lines
	maxAnswer   = 64 << 10 // of a body are read, so that its connection can be kept
)

// A conn is one connection, with what belongs to the request on its way.
type conn struct {
	net.Conn
	socket *socket // nil: it is something else than a socket
	used   bool    // it has had a request before
	since  time.Time

	head []byte // of the request
	out  [2][]byte
	buf  []byte // of the answer so far
}

// newConn returns nc as a connection that had no request yet.
func newConn(nc net.Conn) *conn {
	return &conn{Conn: nc, socket: newSocket(nc), buf: make([]byte, 0, firstBuffer)}
}

// errDead says that a connection that was used before ended without a byte of
// an answer: the server had closed it, or was about to.
var errDead = errors.New("connection was closed by the server")

// exchange sends r and reads the answer. keep says that the connection can be
// used again.
func (k *conn) exchange(ctx context.Context, first string, r *Request) (a Answer, keep bool, err error) {
	if k.used && k.heard() {
		return Answer{}, false, errDead
	}
	k.head = appendHead(k.head[:0], first, r)
	k.out = [2][]byte{k.head, r.Body}
	unsent := k.send(ctx)
	k.out = [2][]byte{}
	k.buf = k.buf[:0]
	a, keep, err = k.receive(r)
	switch {
	case err == nil:
		return a, keep && unsent == nil, nil
	case errors.Is(err, ErrUnusual), ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
	case k.used && len(k.buf) == 0:
		err = errDead
	case unsent != nil && !errors.Is(unsent, errAnswered):
		err = unsent
	}
	return Answer{}, false, err
}

// appendHead appends the head of r, which begins with first.
func appendHead(b []byte, first string, r *Request) []byte {
	b = append(append(b, first...), r.Fields...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	return append(b, "\r\n\r\n"...)
}

// listenEvery is how often it is looked, while the server does not take what is
// sent, whether it has answered already: it need not read what it refuses.
const listenEvery = 200 * time.Millisecond

// errAnswered says that the server has answered, or ended the connection,
// before it was sent everything.
var errAnswered = errors.New("server answered before it had read the request")

// send writes what is in out.
func (k *conn) send(ctx context.Context) error {
	if k.socket == nil {
		_, err := (*net.Buffers)(&[][]byte{k.out[0], k.out[1]}).WriteTo(k.Conn)
		return err
	}
	err := k.socket.write(&k.out, false)
	for err == nil && len(k.out[0])+len(k.out[1]) > 0 {
		if k.heard() {
			return errAnswered
		}
		_ = k.SetWriteDeadline(time.Now().Add(listenEvery))
		err = k.socket.write(&k.out, true)
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			err = nil
		}
	}
	return err
}

// heard reports whether something has come from the server, or its end, or the
// deadline. Of what is no socket it reports false.
func (k *conn) heard() bool { return k.socket != nil && k.socket.heard() }

// fill reads what has come, at least a byte, into buf.
func (k *conn) fill() error {
	if len(k.buf) == cap(k.buf) {
		k.buf = append(k.buf, make([]byte, cap(k.buf))...)[:len(k.buf)]
	}
	free := k.buf[len(k.buf):cap(k.buf)]
	n, err := 0, error(nil)
	if k.socket != nil {
		n, err = k.socket.read(free)
	} else {
		n, err = k.Read(free)
	}
	k.buf = k.buf[:len(k.buf)+n]
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.EOF
	}
	return err
}

// receive reads an answer. Once its head has come it counts, whatever becomes of
// the rest; err is then nil.
func (k *conn) receive(r *Request) (a Answer, keep bool, err error) {
	var h plainhttp.Head
	body := 0
	for body == 0 {
		if err := k.fill(); err != nil {
			return Answer{}, false, ended(k, err)
		}
		if h, body, err = plainhttp.ParseHead(k.buf, r.see); err != nil {
			return Answer{}, false, err
		}
	}
	b := answerBody{length: h.Length, start: body, end: body}
	for !b.take(k) && k.fill() == nil {
	}
	a = Answer{Code: h.Code, Body: bytes.Clone(k.buf[body:b.end])}
	keep = b.whole && b.end == len(k.buf) && !h.Last
	if cap(k.buf) > firstBuffer {
		k.buf = make([]byte, 0, firstBuffer) // most answers are small
	}
	return a, keep, nil
}

// see tells the caller of a field.
func (r *Request) see(name, val []byte) {
	if r.See != nil {
		r.See(name, val)
	}
}

// ended returns the error of a connection that ended in the head of an answer.
func ended(k *conn, err error) error {
	if errors.Is(err, io.EOF) && len(k.buf) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// An answerBody is the body of an answer in the buffer of its connection.
type answerBody struct {
	length     int64 // or plainhttp.Chunked
	start, end int   // in the buffer, as far as it has come
	chunks     plainhttp.Chunks
	whole      bool // it has come to its end
}

// take takes notice of what has come. It reports whether no more is to be read:
// that was all, or there is too much of it, or it is not understood.
func (b *answerBody) take(k *conn) (done bool) {
	if b.length != plainhttp.Chunked {
		b.end = b.start + int(min(int64(len(k.buf)-b.start), b.length))
		b.whole = int64(b.end-b.start) == b.length
		return b.whole || b.end-b.start >= maxAnswer
	}
	end, from, err := b.chunks.Decode(k.buf, b.end, b.end)
	if err != nil {
		return true
	}
	rest := copy(k.buf[end:], k.buf[from:]) // so that what is not decoded follows the body
	b.end, k.buf = end, k.buf[:end+rest]
	b.whole = b.chunks.Done()
	return b.whole || b.end-b.start >= maxAnswer
}
