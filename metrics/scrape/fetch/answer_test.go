package fetch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// take reads a whole answer as a connection would that gets it in pieces of
// step bytes. rest is what was left behind its end.
func take(answer []byte, step int) (h head, body, rest []byte, err error) {
	c := &conn{r: &Request{Limit: 1 << 30}}
	for len(answer) > 0 {
		n := min(step, len(answer))
		c.buf = append(c.buf, answer[:n]...)
		answer = answer[n:]
		done, err := c.take()
		if err != nil {
			return c.head, nil, nil, err
		}
		if done {
			return c.head, c.buf[c.body:c.end], append(c.buf[c.end:], answer...), nil
		}
	}
	return c.head, nil, nil, io.ErrUnexpectedEOF
}

func TestAnswersAreReadWholeWhateverThePieces(t *testing.T) {
	f := func(answer, body string) {
		t.Helper()
		answer = strings.ReplaceAll(answer, "\n", "\r\n")
		for step := 1; step <= len(answer); step++ {
			h, got, rest, err := take([]byte(answer+"next"), step)
			if err != nil || string(got) != body || string(rest) != "next" || !h.ok() || h.contentType != "text/plain" {
				t.Fatalf("%q in pieces of %d: %+v, %q, %q, %v", answer, step, h, got, rest, err)
			}
		}
	}
	f("HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 5\n\nup 11", "up 11")
	f("HTTP/1.1 200\ncontent-type:text/plain \ncontent-length:0\n\n", "")
	f("HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n3\nabc\n0a\n0123456789\n0\n\n", "abc0123456789")
	f("HTTP/1.1 200 OK\nX-Other: a:b\nTransfer-Encoding: Chunked\nContent-Type: text/plain\n\n0\n\n", "")
}

func TestUnusualAnswersAreLeftToTheLibrary(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		if _, _, _, err := take([]byte(strings.ReplaceAll(answer, "\n", "\r\n")), 7); !errors.Is(err, ErrUnusual) {
			t.Errorf("%q: %v; want ErrUnusual", answer, err)
		}
	}
	f("HTTP/1.0 200 OK\nContent-Length: 1\n\na")
	f("HTTP/1.1 301 Moved\nLocation: /b\nContent-Length: 0\n\n")
	f("HTTP/1.1 100 Continue\n\n")
	f("HTTP/1.1 204 No Content\nContent-Length: 1\n\na")
	f("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked\n\n0\n\n")
	f("HTTP/1.1 200 OK\n\nuntil the end")
	f("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nab")
	f("HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n1\na\n0\n\n")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n0\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: -1\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: +1\n\na")
	f("HTTP/1.1 200 OK\nContent-Length:\n\na")
	f("HTTP/1.1 200 OK\nContent-Length : 1\n\na")
	f("HTTP/1.1 200 OK\n folded\nContent-Length: 1\n\na")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1;ext\na\n0\n\n")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\nab\n0\n\n")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0\nTrailer: a\n\n")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nfffffffffffffffff\na")
	f("SSH-2.0-x\n\n")
}

// What is read here is what net/http reads; the other way round is not wanted.
func FuzzAnswersAreThoseOfTheLibrary(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nup 1\n"), uint8(3))
	f.Add([]byte("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na"), uint8(200))
	f.Add([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Type: a\r\n\r\n"), uint8(9))
	f.Fuzz(func(t *testing.T, answer []byte, step uint8) {
		h, body, _, err := take(bytes.Clone(answer), int(step)+1)
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			t.Fatalf("%q is taken; the library says %v", answer, err)
		}
		want, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(body, want) {
			t.Fatalf("%q gives %q; the library reads %q, %v", answer, body, want, err)
		}
		if h.ok() != (resp.StatusCode == 200) || h.encoding != EncodingOf(resp.Header.Get("Content-Encoding")) ||
			h.contentType != resp.Header.Get("Content-Type") || resp.Close && !h.Last {
			t.Fatalf("%q has head %+v; the library's is %+v", answer, h, resp)
		}
	})
}

func TestAnUnknownEncodingIsTakenForNone(t *testing.T) {
	f := func(field string, want Encoding) {
		t.Helper()
		if got := EncodingOf(field); got != want {
			t.Errorf("%q is encoding %d; want %d", field, got, want)
		}
	}
	f("", Plain)
	f("identity", Plain)
	f("utf-8", Plain)
	f("GZIP", Plain) // to Prometheus, too
	f("gzip", Gzip)
	f("zstd", Zstd)
}
