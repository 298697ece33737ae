package post

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
)

// A script is a connection that answers whatever it is told.
type script struct {
	net.Conn
	answer []byte
	step   int
}

func (s *script) Read(b []byte) (int, error) {
	n := copy(b, s.answer[:min(s.step, len(s.answer))])
	if s.answer = s.answer[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// What is read here is what net/http reads; the other way round is not wanted.
func FuzzAnswersAreThoseOfTheLibrary(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), uint8(3))
	f.Add([]byte("HTTP/1.1 204 No Content\r\nRetry-After: 3\r\n\r\n"), uint8(200))
	f.Add([]byte("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1"), uint8(1))
	f.Add([]byte("HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 9\r\n\r\ncut"), uint8(100))
	f.Fuzz(func(t *testing.T, answer []byte, step uint8) {
		fields := http.Header{}
		k := newConn(&script{answer: bytes.Clone(answer), step: int(step) + 1})
		a, keep, err := k.receive(&Request{See: func(name, val []byte) { fields.Add(string(name), string(val)) }})
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: http.MethodPost})
		if err != nil {
			t.Fatalf("%q is taken; the library says %v", answer, err)
		}
		want, err := io.ReadAll(resp.Body)
		if a.Code != resp.StatusCode || fields.Get("Retry-After") != resp.Header.Get("Retry-After") {
			t.Fatalf("%q gives %+v with %v; the library's is %+v", answer, a, fields, resp)
		}
		if !bytes.HasPrefix(want, a.Body) || keep && (err != nil || resp.Close || len(a.Body) != len(want)) {
			t.Fatalf("%q gives %q, %t; the library reads %q, %v", answer, a.Body, keep, want, err)
		}
	})
}
