package remote

import (
	"net/http"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// An outcome says what to do with what was sent.
type outcome uint8

const (
	sent      outcome = iota // the receiver has it
	retry                    // later: the receiver or the way to it is at fault
	split                    // the receiver refuses some of it: find out what
	drop                     // never
	downgrade                // again as remote write 1.0
)

// String names the outcome in tests and logs.
func (o outcome) String() string {
	return [...]string{"sent", "retry", "split", "drop", "downgrade"}[o]
}

// classify turns one reply into an outcome. It is the whole policy.
//
// A status that speaks about the sender or the address (a wrong password, a
// wrong path, a receiver that is switched off) says nothing about the samples:
// they wait on disk until somebody has put it right. Only a status that can be
// meant for the content is a reason to look for the offending series.
func classify(r reply, kind uint8, retry429 bool) outcome {
	switch {
	case r.err != nil:
		return retry
	case r.status/100 == 2 && kind == wire.KindWrite2 && !r.confirmed:
		return downgrade // a 1.0 receiver takes a 2.0 request for an empty one
	case r.status/100 == 2:
		return sent
	case r.status == http.StatusTooManyRequests && !retry429:
		return drop
	case r.status == http.StatusUnsupportedMediaType && kind == wire.KindWrite2:
		return downgrade
	}
	switch r.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly,
		http.StatusTooManyRequests:
		return retry
	}
	if r.status/100 == 4 {
		return splitOrDrop(kind)
	}
	return retry // 5xx, and redirects that the client does not follow
}

// splitOrDrop is split, but for metadata: it comes again in a minute anyway.
func splitOrDrop(kind uint8) outcome {
	if kind == wire.KindMetadata1 {
		return drop
	}
	return split
}
