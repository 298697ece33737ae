package fetch

import "github.com/divvy-collector/divvy/metrics/plainhttp"

// ErrUnusual says that an answer is one that this package does not read. It may
// be a good answer all the same.
var ErrUnusual = plainhttp.ErrUnusual

// A head is what the head of an answer says.
type head struct {
	plainhttp.Head
	encoding    Encoding
	contentType string
}

// parseHead reads the head of an answer. n is its length with the empty line,
// or 0 if b does not have all of it yet. reuse is a content type that is likely
// the same again.
func parseHead(b []byte, reuse string) (h head, n int, err error) {
	h.Head, n, err = plainhttp.ParseHead(b, func(name, val []byte) {
		switch {
		case plainhttp.Is(name, "Content-Encoding"):
			h.encoding = EncodingOf(string(val))
		case plainhttp.Is(name, "Content-Type"):
			if h.contentType = reuse; reuse != string(val) {
				h.contentType = string(val)
			}
		}
	})
	return h, n, err
}

// ok reports whether there is a page: only with status 200.
func (h *head) ok() bool { return h.Status == "" }
