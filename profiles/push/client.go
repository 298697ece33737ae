package push

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// Paths of the API below an endpoint's URL.
const (
	pathPush   = "/push.v1.PusherService/Push"
	pathIngest = "/ingest"
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// settings is an Endpoint with its client. It is replaced, never changed.
type settings struct {
	Endpoint
	client *http.Client
}

// newClient returns the HTTP client of an endpoint. It reads the files that
// the TLS and auth settings name, so that a wrong name is reported at once.
func newClient(e Endpoint, dial dialFunc) (*http.Client, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return config.NewClientFromConfig(e.HTTP, "pyroscope_write", config.WithDialContextFunc(dial))
}

// A reply is what came back from one request, or err if nothing did.
type reply struct {
	status     int
	err        error
	text       string        // beginning of the body of a refusal
	retryAfter time.Duration // 0: the server did not say
}

// maxText is how much of a server's refusal is kept, in bytes.
const maxText = 512

// reason says in a few words why a request failed.
func (r reply) reason() string {
	if r.err != nil {
		return status.HidePasswords(r.err.Error())
	}
	said := strings.TrimSpace(fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)))
	if r.text == "" {
		return said
	}
	return said + ": " + r.text
}

// post sends one record of the log.
func (s *settings) post(ctx context.Context, kind uint8, payload []byte) reply {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := s.request(ctx, kind, payload)
	if err != nil {
		return reply{err: err}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	if method := resp.Request.Method; method != http.MethodPost {
		// The client has followed a redirect that turns POST into GET: whatever
		// has answered 200 there, it was not given the profile.
		return reply{err: fmt.Errorf("redirected to %s as %s: set url to where the server is", resp.Request.URL.Redacted(), method)}
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText))
	// The rest is read so that the connection can be used again, but not more
	// than a well-meaning server would send.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return reply{
		status:     resp.StatusCode,
		text:       strings.ToValidUTF8(strings.TrimSpace(string(text)), "\uFFFD"),
		retryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// request returns the request that payload is sent with.
func (s *settings) request(ctx context.Context, kind uint8, payload []byte) (*http.Request, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("use url: %w", err)
	}
	body, contentTypes := payload, []string{"application/proto"}
	if kind == kindIngest {
		in, err := decodeIngest(payload)
		if err != nil {
			return nil, fmt.Errorf("read a record of the log: %w", err)
		}
		body, contentTypes = in.body, in.contentTypes
		u = u.JoinPath(pathIngest)
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+in.query, "&")
	} else {
		u = u.JoinPath(pathPush)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", userAgent())
	req.Header["Content-Type"] = contentTypes
	if kind == kindPush {
		req.Header.Set("Connect-Protocol-Version", "1")
	}
	return req, nil
}

// userAgent names divvy and its version, as linked into the binary.
func userAgent() string {
	if version.Version == "" {
		return "divvy/devel"
	}
	return "divvy/" + version.Version
}

// longestRetryAfter bounds what a server may ask for: a date that is wrong by a
// year must not silence the endpoint for a year.
const longestRetryAfter = time.Hour

// parseRetryAfter returns the wait that a Retry-After header asks for, as a
// number of seconds or as a date; 0 if it asks for none.
func parseRetryAfter(value string, now time.Time) time.Duration {
	asked := time.Duration(0)
	if seconds, err := strconv.Atoi(value); err == nil {
		asked = time.Duration(min(seconds, int(longestRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		asked = date.Sub(now)
	}
	return max(0, min(asked, longestRetryAfter))
}
