package fetch

import (
	"errors"
	"strconv"
	"time"
)

// ErrBodyLimit says that a body reached its limit.
var ErrBodyLimit = errors.New("body size limit exceeded")

// A Request asks for one page.
type Request struct {
	Addr     string        // host:port to connect to
	Host     string        // as the header has it
	URI      string        // path and query, escaped
	Header   string        // further header lines, each with its CRLF
	Timeout  time.Duration // that the target is told
	Deadline time.Time     // for the whole answer
	Size     int           // bytes that are expected, 0: unknown
	Limit    int64         // bytes at which a body is refused
	Type     string        // content type that is expected

	// Done is given the page, or the reason why there is none. It may take its
	// time, as long as the answers of others can wait.
	Done func(Page, error)

	again bool // it was written to a used connection that turned out dead
}

// appendHead appends the request as it is sent.
func (r *Request) appendHead(b []byte) []byte {
	b = append(append(b, "GET "...), r.URI...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), r.Host...)
	b = append(b, "\r\nX-Prometheus-Scrape-Timeout-Seconds: "...)
	b = strconv.AppendFloat(b, r.Timeout.Seconds(), 'f', -1, 64)
	b = append(append(b, "\r\n"...), r.Header...)
	return append(b, "\r\n"...)
}

// A Page is what a target answered with status 200.
type Page struct {
	Body        []byte // as it came; part of a buffer
	Encoding    Encoding
	ContentType string

	buf   []byte
	large bool
}

// A StatusError is an answer with another status than 200.
type StatusError string

// Error returns the status line's text.
func (e StatusError) Error() string { return "server returned HTTP status " + string(e) }

// LargeBytes is the size beyond which a body needs one of few places. So a
// hundred targets with endless bodies take as much memory as two.
const LargeBytes = 4 << 20

// LargePlaces is how many large bodies there may be at one time.
const LargePlaces = 2

// A Depot holds the buffers of pages. Any number of goroutines may use it.
type Depot struct {
	Buffers
	Large chan struct{} // full: no place for another large body
}

// NewDepot returns a depot without buffers.
func NewDepot() *Depot { return &Depot{Large: make(chan struct{}, LargePlaces)} }

// NewPage returns a page that was read otherwise into buf, from the depot.
// large says that it took a place.
func NewPage(buf []byte, large bool, encoding Encoding, contentType string) Page {
	return Page{Body: buf, buf: buf, large: large, Encoding: encoding, ContentType: contentType}
}

// Discard takes back what a page has taken.
func (d *Depot) Discard(pg Page) {
	d.Put(pg.buf)
	if pg.large {
		<-d.Large
	}
}
