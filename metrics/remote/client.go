package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"github.com/prometheus/prometheus/storage/remote/azuread"
	"github.com/prometheus/prometheus/storage/remote/googleiam"
	"github.com/prometheus/sigv4"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// A client sends the requests of an endpoint: with package post where that is
// enough, else with net/http.
type client struct {
	*http.Client
	plain *plainClient // nil: it is not enough
}

// newClient returns the client of an endpoint. It reads the files that the TLS
// and auth settings name, so that a wrong name is reported at once.
func newClient(e Endpoint, dial dialFunc) (*client, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	if e.RoundRobinDNS {
		dial = dialRandom(dial)
	}
	c, err := config.NewClientFromConfig(e.HTTP, "remote_write", config.WithDialContextFunc(dial))
	if err != nil {
		return nil, err
	}
	t := c.Transport
	if e.SigV4 != nil {
		t, err = sigv4.NewSigV4RoundTripper(e.SigV4, t)
	}
	if e.AzureAD != nil {
		t, err = azuread.NewAzureADRoundTripper(e.AzureAD, t)
	}
	if e.GoogleIAM != nil {
		t, err = googleiam.NewRoundTripper(e.GoogleIAM, t)
	}
	if err != nil {
		return nil, err
	}
	c.Transport = t
	return &client{Client: c, plain: newPlainClient(e, dial)}, nil
}

// close closes the connections that are idle.
func (c *client) close() {
	c.CloseIdleConnections()
	if c.plain != nil {
		c.plain.Close()
	}
}

// dialRandom connects to a random address of the host.
func dialRandom(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return dial(ctx, network, addr)
		}
		list, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil || len(list) == 0 {
			return dial(ctx, network, addr)
		}
		return dial(ctx, network, net.JoinHostPort(list[rand.IntN(len(list))], port))
	}
}

// A reply is what came back from one request, or err if nothing did.
type reply struct {
	status     int
	err        error
	text       string        // beginning of the body of a refusal
	retryAfter time.Duration // 0: the receiver did not say
	confirmed  bool          // says how many samples it wrote: understands 2.0
	took       time.Duration
}

// maxText is how much of a receiver's refusal is kept, in bytes.
const maxText = 512

// post sends one body. attempt counts the requests made before with the same
// samples.
func (s *settings) post(ctx context.Context, kind uint8, body []byte, attempt int) reply {
	start := time.Now()
	r, ok := s.client.tryPlain(ctx, s, kind, body, attempt)
	if !ok {
		r = s.postWithLibrary(ctx, kind, body, attempt)
	}
	r.took = time.Since(start)
	return r
}

// postWithLibrary sends one body with net/http.
func (s *settings) postWithLibrary(ctx context.Context, kind uint8, body []byte, attempt int) reply {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	setHeaders(req.Header, kind)
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	if method := resp.Request.Method; method != http.MethodPost {
		// The client has followed a redirect that turns POST into GET: whatever
		// has answered 200 there, it was not given the samples.
		return reply{err: fmt.Errorf("redirected to %s as %s: set url to where the receiver is", resp.Request.URL.Redacted(), method)}
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText))
	// The rest is read so that the connection can be used again, but not more
	// than a well-meaning receiver would send.
	io.CopyN(io.Discard, resp.Body, 64<<10)
	return reply{
		status:     resp.StatusCode,
		text:       readable(text),
		retryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
		confirmed:  confirms(resp.Header),
	}
}

// readable returns the text of a refusal as it can be logged.
func readable(text []byte) string {
	return strings.ToValidUTF8(strings.TrimSpace(string(text)), "\uFFFD")
}

// writtenHeaders say how much a receiver wrote, as those of 2.0 do.
var writtenHeaders = [...]string{
	"X-Prometheus-Remote-Write-Samples-Written",
	"X-Prometheus-Remote-Write-Histograms-Written",
	"X-Prometheus-Remote-Write-Exemplars-Written",
}

// confirms reports whether the receiver says how much it wrote.
func confirms(h http.Header) bool {
	for _, name := range writtenHeaders {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// setHeaders sets what the protocol asks for.
func setHeaders(h http.Header, kind uint8) {
	h.Set("Content-Encoding", "snappy")
	h.Set("User-Agent", userAgent())
	if kind == wire.KindWrite2 {
		h.Set("Content-Type", "application/x-protobuf;proto="+Message2)
		h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	} else {
		h.Set("Content-Type", "application/x-protobuf")
		h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
}

// userAgent names divvy and its version, as linked into the binary.
func userAgent() string {
	if version.Version == "" {
		return "divvy/devel"
	}
	return "divvy/" + version.Version
}

// longestRetryAfter bounds what a receiver may ask for: a date that is wrong by
// a year must not silence the endpoint for a year.
const longestRetryAfter = time.Hour

// parseRetryAfter returns the wait that a Retry-After header asks for, as a
// number of seconds or as a date; 0 if it asks for none.
func parseRetryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(longestRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return max(0, min(wait, longestRetryAfter))
}
