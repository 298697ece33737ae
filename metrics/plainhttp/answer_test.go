package plainhttp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// readWhole reads a whole answer with its body; the error is ErrUnusual, or
// io.ErrUnexpectedEOF if there is more to come.
func readWhole(b []byte, fields http.Header) (h Head, body []byte, err error) {
	h, n, err := ParseHead(b, func(name, val []byte) { fields.Add(string(name), string(val)) })
	if n == 0 || err != nil {
		return h, nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	if h.Length != Chunked {
		if int64(len(b)-n) < h.Length {
			return h, nil, io.ErrUnexpectedEOF
		}
		return h, b[n : n+int(h.Length)], nil
	}
	var c Chunks
	end, _, err := c.Decode(b, n, n)
	if err == nil && !c.Done() {
		err = io.ErrUnexpectedEOF
	}
	return h, b[n:end], err
}

func TestHeadsSayWhereAnswersEnd(t *testing.T) {
	f := func(answer string, want Head) {
		t.Helper()
		answer = strings.ReplaceAll(answer, "\n", "\r\n")
		for cut := range len(answer) {
			if h, n, err := ParseHead([]byte(answer[:cut]), nil); n != 0 || err != nil {
				t.Fatalf("%q: %+v, %d, %v; want more", answer[:cut], h, n, err)
			}
		}
		h, n, err := ParseHead([]byte(answer+"body"), func(_, _ []byte) {})
		if h != want || n != len(answer) || err != nil {
			t.Errorf("%q: %+v, %d, %v; want %+v", answer, h, n, err, want)
		}
	}
	f("HTTP/1.1 200 OK\nContent-Length: 4\n\n", Head{Code: 200, Length: 4})
	f("HTTP/1.1 200\nTransfer-Encoding: Chunked\nA: b\n\n", Head{Code: 200, Length: Chunked})
	f("HTTP/1.1 204 No Content\n\n", Head{Code: 204, Status: "204 No Content"})
	f("HTTP/1.1 503 Not now\nConnection: close\ncontent-length:0\n\n", Head{Code: 503, Status: "503 Not now", Last: true})
}

func TestWhatCanBeReadInTwoWaysIsUnusual(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		b := []byte(strings.ReplaceAll(answer, "\n", "\r\n"))
		if _, _, err := readWhole(b, http.Header{}); !errors.Is(err, ErrUnusual) {
			t.Errorf("%q: %v; want ErrUnusual", answer, err)
		}
	}
	f("HTTP/1.0 200 OK\nContent-Length: 0\n\n")
	f("HTTP/1.1 100 Continue\n\n")
	f("HTTP/1.1 307 Elsewhere\nContent-Length: 0\n\n")
	f("HTTP/1.1 200 OK\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 1\n\na")
	f("HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n")
	f("HTTP/1.1 204 No Content\nContent-Length: 1\n\na")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: A\n\n0\n\n")
	f("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1;a=b\na\n0\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: -0\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: +1\n\na")
	f(strings.Repeat("a", maxHead+1))
}

// A reader that waits for the end of a head in other lines would wait for ever.
func TestHeadsOfScriptsAreUnusualFromTheirFirstLine(t *testing.T) {
	f := func(b string) {
		t.Helper()
		if _, n, err := ParseHead([]byte(b), nil); n != 0 || !errors.Is(err, ErrUnusual) {
			t.Errorf("%q: %d, %v; want ErrUnusual", b, n, err)
		}
	}
	f("\n")
	f("HTTP/1.1 200 OK\n")
	f("HTTP/1.1 200 OK\r\n\n")
	f("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
	f("HTTP/1.1 200 OK\nContent-Length: 6\n\n\r\n\r\nok")
}

// What is read here is what net/http reads; the other way round is not wanted.
func FuzzAnswersAreThoseOfTheLibrary(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 204 No Content\r\nRetry-After: 3\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		fields := http.Header{}
		h, body, err := readWhole(bytes.Clone(answer), fields)
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: http.MethodPost})
		if err != nil {
			t.Fatalf("%q is taken; the library says %v", answer, err)
		}
		want, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(body, want) || h.Code != resp.StatusCode || resp.Close && !h.Last {
			t.Fatalf("%q gives %+v, %q; the library reads %+v, %q, %v", answer, h, body, resp, want, err)
		}
		for name := range fields {
			if fields.Get(name) != resp.Header.Get(name) {
				t.Fatalf("%q: field %s is %q; the library's is %q", answer, name, fields.Get(name), resp.Header.Get(name))
			}
		}
	})
}
