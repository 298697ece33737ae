package fetch

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// ErrUnusual says that an answer is one that this package does not read. It may
// be a good answer all the same.
var ErrUnusual = errors.New("answer is not plain HTTP/1.1 with a length or chunks")

// maxHead bounds the head of an answer, in bytes.
const maxHead = 32 << 10

// A head is what the status line and the header fields of an answer say.
type head struct {
	status      string // code and text
	ok          bool   // the code is 200
	length      int64  // of the body; -1: it comes in chunks
	last        bool   // the connection ends with this answer
	gzip        bool
	contentType string
}

// parseHead reads the head of an answer. n is its length with the empty line,
// or 0 if b does not have all of it yet. reuse is a content type that is likely
// the same again.
func parseHead(b []byte, reuse string) (h head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return head{}, 0, ErrUnusual
		}
		return head{}, 0, nil
	}
	line, rest, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	if hasControls(line) {
		return head{}, 0, ErrUnusual
	}
	if h, err = parseStatus(line); err != nil {
		return head{}, 0, err
	}
	h.length = -2 // not known
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, val, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) || hasControls(val) {
			return head{}, 0, ErrUnusual
		}
		if err := h.field(name, bytes.Trim(val, " \t"), reuse); err != nil {
			return head{}, 0, err
		}
	}
	if h.length == -2 {
		return head{}, 0, ErrUnusual
	}
	return h, end + 4, nil
}

// parseStatus reads the status line. Answers that have no body, that come
// before another one, or that point elsewhere are unusual.
func parseStatus(line []byte) (h head, err error) {
	text, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(text) < 3 || len(text) > 3 && text[3] != ' ' {
		return head{}, ErrUnusual
	}
	code, err := strconv.Atoi(string(text[:3]))
	switch {
	case err != nil, code < 200, code >= 300 && code < 400, code == 204, code == 205:
		return head{}, ErrUnusual
	case code == 200:
		return head{ok: true}, nil
	}
	return head{status: string(text)}, nil
}

// field takes notice of one header field.
func (h *head) field(name, val []byte, reuse string) error {
	switch {
	case is(name, "Content-Length"):
		n, err := strconv.ParseInt(string(val), 10, 62)
		if h.length != -2 || err != nil || n < 0 || val[0] == '+' {
			return ErrUnusual
		}
		h.length = n
	case is(name, "Transfer-Encoding"):
		if h.length != -2 || !is(val, "chunked") {
			return ErrUnusual
		}
		h.length = -1
	case is(name, "Connection"):
		if !is(val, "keep-alive") {
			h.last = true
		}
	case is(name, "Content-Encoding"):
		h.gzip = string(val) == "gzip"
	case is(name, "Content-Type"):
		if h.contentType = reuse; reuse != string(val) {
			h.contentType = string(val)
		}
	case is(name, "Trailer"), is(name, "Upgrade"):
		return ErrUnusual
	}
	return nil
}

// is reports whether b is s, whatever the case of its letters.
func is(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// hasControls reports whether b has a control character other than a tab, an
// end of line that others would see among them.
func hasControls(b []byte) bool {
	return bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F })
}

// isToken reports whether b may be the name of a header field.
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7F || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// A chunker takes the body out of a chunked answer, in place.
//
//	| size in hex | CRLF | … | CRLF | size … | 0 | CRLF | CRLF |
type chunker struct {
	left int64 // bytes of the chunk that is being read, with the CRLF behind it; 0: a size comes
	done bool
}

// decode moves the body's bytes in b[from:] down to b[to:] and returns where
// both ended: what is behind from is incomplete or, once done, of no chunk.
func (c *chunker) decode(b []byte, to, from int) (newTo, newFrom int, err error) {
	for !c.done && from < len(b) {
		if c.left == 0 {
			size, n, err := chunkSize(b[from:])
			if n == 0 || err != nil {
				return to, from, err
			}
			if size == 0 {
				if len(b) < from+n+2 {
					return to, from, nil
				}
				if b[from+n] != '\r' || b[from+n+1] != '\n' {
					return to, from, ErrUnusual // trailers
				}
				c.done = true
				return to, from + n + 2, nil
			}
			from, c.left = from+n, size+2
		}
		n := int(min(int64(len(b)-from), max(c.left-2, 0)))
		to += copy(b[to:], b[from:from+n])
		from, c.left = from+n, c.left-int64(n)
		if c.left > 2 {
			return to, from, nil
		}
		if len(b) < from+2 {
			return to, from, nil
		}
		if b[from] != '\r' || b[from+1] != '\n' {
			return to, from, ErrUnusual
		}
		from, c.left = from+2, 0
	}
	return to, from, nil
}

// chunkSize reads the line with a chunk's size. n is the length of the line, 0
// if it is not complete.
func chunkSize(b []byte) (size int64, n int, err error) {
	for i, c := range b {
		switch {
		case c == '\r' && i > 0:
			if i+1 == len(b) {
				return 0, 0, nil
			}
			if b[i+1] != '\n' {
				return 0, 0, ErrUnusual
			}
			return size, i + 2, nil
		case i == 15:
			return 0, 0, ErrUnusual
		case c >= '0' && c <= '9':
			size = size<<4 | int64(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			size = size<<4 | int64(c|0x20-'a'+10)
		default:
			return 0, 0, ErrUnusual
		}
	}
	return 0, 0, nil
}
