package plainhttp

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// ErrUnusual says that an answer is one that this package does not read. It may
// be a good answer all the same.
var ErrUnusual = errors.New("answer is not plain HTTP/1.1 with a length or chunks")

// maxHead bounds the head of an answer, in bytes.
const maxHead = 32 << 10

// Chunked is the Length of a body that comes in chunks.
const Chunked = -1

// unknown is the length of a body before a field has said it.
const unknown = -2

// A Head is what the status line of an answer says, and what its fields say
// about where it ends.
type Head struct {
	Code   int    // 200 to 299, or 400 and more
	Status string // code and text; empty: 200
	Length int64  // of the body in bytes, or Chunked
	Last   bool   // the connection ends with this answer
}

// ParseHead reads the head of an answer and tells see each field that says
// nothing about its length; name and val are parts of b. n is the length of the
// head with the empty line, or 0 if b does not have all of it yet. The error is
// ErrUnusual.
func ParseHead(b []byte, see func(name, val []byte)) (h Head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead || hasBareNewline(b) {
			return Head{}, 0, ErrUnusual
		}
		return Head{}, 0, nil
	}
	line, rest, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	if hasControls(line) {
		return Head{}, 0, ErrUnusual
	}
	if h, err = parseStatus(line); err != nil {
		return Head{}, 0, err
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, val, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) || hasControls(val) {
			return Head{}, 0, ErrUnusual
		}
		val = bytes.Trim(val, " \t")
		if length, err := h.field(name, val); err != nil {
			return Head{}, 0, err
		} else if !length {
			see(name, val)
		}
	}
	if err := h.endOfFields(); err != nil {
		return Head{}, 0, err
	}
	return h, end + 4, nil
}

// parseStatus reads the status line. Answers that come before another one, or
// that point elsewhere, are unusual.
func parseStatus(line []byte) (h Head, err error) {
	text, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(text) < 3 || len(text) > 3 && text[3] != ' ' {
		return Head{}, ErrUnusual
	}
	code, err := strconv.Atoi(string(text[:3]))
	if err != nil || code < 200 || code >= 300 && code < 400 || code == http.StatusResetContent {
		return Head{}, ErrUnusual
	}
	h = Head{Code: code, Length: unknown}
	if code != http.StatusOK {
		h.Status = string(text)
	}
	return h, nil
}

// field takes notice of one field, and reports whether it is about the length.
func (h *Head) field(name, val []byte) (length bool, err error) {
	switch {
	case Is(name, "Content-Length"):
		n, err := strconv.ParseUint(string(val), 10, 62)
		if h.Length != unknown || err != nil {
			return true, ErrUnusual
		}
		h.Length = int64(n)
	case Is(name, "Transfer-Encoding"):
		if h.Length != unknown || !Is(val, "chunked") {
			return true, ErrUnusual
		}
		h.Length = Chunked
	case Is(name, "Connection"):
		h.Last = h.Last || !Is(val, "keep-alive")
	case Is(name, "Trailer"), Is(name, "Upgrade"):
		return true, ErrUnusual
	default:
		return false, nil
	}
	return true, nil
}

// endOfFields checks that the length is known now. 204 says it itself.
func (h *Head) endOfFields() error {
	if h.Code == http.StatusNoContent {
		if h.Length != unknown && h.Length != 0 {
			return ErrUnusual
		}
		h.Length = 0
	}
	if h.Length == unknown {
		return ErrUnusual
	}
	return nil
}

// Is reports whether b is s, whatever the case of its letters.
func Is(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// hasBareNewline reports whether a line ends without a carriage return. Scripts
// write such heads, and net/http reads them; here their end would never come.
func hasBareNewline(b []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return false
		}
		if at += i; at == 0 || b[at-1] != '\r' {
			return true
		}
	}
}

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
