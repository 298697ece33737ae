package push

import "net/http"

// An outcome says what to do with a profile after a request.
type outcome uint8

const (
	sent  outcome = iota // the server has it
	wait                 // the way to the server is at fault: try for as long as it takes
	retry                // the profile may be at fault: try, but not for ever
	drop                 // never
)

// String names the outcome in tests and logs.
func (o outcome) String() string { return [...]string{"sent", "wait", "retry", "drop"}[o] }

// classify turns one reply into an outcome. It is the whole policy.
//
// A status that speaks about the sender or the address (a wrong password, a
// wrong path), or that a gateway gives when nobody is behind it, says nothing
// about the profile. A server that fails may do so because of the profile.
func classify(r reply, retry429 bool) outcome {
	switch {
	case r.err != nil:
		return wait
	case r.status/100 == 2:
		return sent
	case r.status == http.StatusTooManyRequests && !retry429:
		return drop
	}
	switch r.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusMisdirectedRequest, http.StatusTooEarly,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return wait
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusConflict:
		return retry
	}
	switch r.status / 100 {
	case 3: // a redirect that the client does not follow
		return wait
	case 5:
		return retry
	}
	return drop
}
