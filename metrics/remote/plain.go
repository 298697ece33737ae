package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"

	"github.com/divvy-collector/divvy/metrics/plainhttp"
	"github.com/divvy-collector/divvy/metrics/remote/post"
	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// A plainClient sends to a receiver that is asked with http, without a proxy,
// and with headers that are always the same.
type plainClient struct {
	*post.Client
	url     string      // without what is secret
	fields  [2]string   // of every request: of 1.0, of 2.0
	unusual atomic.Bool // the receiver answers in a way that is left to net/http
}

// newPlainClient returns the one for e, or nil if e asks for more.
func newPlainClient(e Endpoint, dial dialFunc) *plainClient {
	u, err := url.Parse(e.URL)
	auth, constant := authorization(e)
	if err != nil || !post.Plain(u) || !constant || !httpguts.ValidHeaderFieldValue(auth) {
		return nil
	}
	for name := range e.Headers {
		if _, ok := transportHeaders[http.CanonicalHeaderKey(name)]; ok {
			return nil
		}
	}
	c := &plainClient{Client: post.New(u, post.Dial(dial)), url: u.Redacted()}
	for i, kind := range []uint8{wire.KindWrite1, wire.KindWrite2} {
		c.fields[i] = headerLines(e, auth, kind)
	}
	return c
}

// transportHeaders have a meaning for the connection.
var transportHeaders = map[string]struct{}{
	"Host": {}, "Transfer-Encoding": {}, "Trailer": {}, "Te": {}, "Upgrade": {}, "Expect": {},
	"Keep-Alive": {}, "Proxy-Connection": {}, "Accept-Encoding": {},
}

// headerLines returns the header that all requests of a kind have.
func headerLines(e Endpoint, auth string, kind uint8) string {
	h := http.Header{}
	if auth != "" {
		h.Set("Authorization", auth)
	}
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	setHeaders(h, kind)
	var lines bytes.Buffer
	_ = h.Write(&lines) // a buffer takes everything
	return lines.String()
}

// authorization returns the value of the header. constant is false if it is not
// known in advance, or if the client has to do more than set a header.
func authorization(e Endpoint) (value string, constant bool) {
	h := e.HTTP
	if e.SigV4 != nil || e.AzureAD != nil || e.GoogleIAM != nil || h.OAuth2 != nil || h.HTTPHeaders != nil ||
		h.BearerTokenFile != "" || h.ProxyURL.URL != nil || h.ProxyFromEnvironment {
		return "", false
	}
	switch b, a := h.BasicAuth, h.Authorization; {
	case b != nil:
		plain := string(b.Username) + ":" + string(b.Password)
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(plain)),
			b.UsernameFile == "" && b.UsernameRef == "" && b.PasswordFile == "" && b.PasswordRef == ""
	case a != nil:
		return authScheme(a) + " " + string(a.Credentials), a.CredentialsFile == "" && a.CredentialsRef == ""
	case h.BearerToken != "":
		return "Bearer " + string(h.BearerToken), true
	}
	return "", true
}

// authScheme returns the first word of the header.
func authScheme(a *config.Authorization) string {
	if a.Type == "" {
		return "Bearer"
	}
	return strings.TrimSpace(a.Type)
}

// tryPlain sends one body. ok is false if that is to be done with net/http: a
// receiver that once gave an answer that is not read here is no more asked so.
// Then it may have got the samples already; they are sent once more.
func (c *client) tryPlain(ctx context.Context, s *settings, kind uint8, body []byte, attempt int) (r reply, ok bool) {
	p := c.plain
	if p == nil || p.unusual.Load() {
		return reply{}, false
	}
	req := post.Request{Fields: p.fields[0], Body: body, Timeout: s.Timeout}
	if kind == wire.KindWrite2 {
		req.Fields = p.fields[1]
	}
	if attempt > 0 {
		req.Fields += "Retry-Attempt: " + strconv.Itoa(attempt) + "\r\n"
	}
	req.See = r.see
	a, err := p.Post(ctx, req)
	switch {
	case errors.Is(err, post.ErrUnusual):
		p.unusual.Store(true)
		p.Close() // nobody asks over its connections any more
		return reply{}, false
	case err != nil:
		r.err = &url.Error{Op: "Post", URL: p.url, Err: err}
		return r, true
	}
	r.status = a.Code
	r.text = readable(a.Body[:min(len(a.Body), maxText)])
	return r, true
}

// see takes notice of a field of the answer.
func (r *reply) see(name, val []byte) {
	if plainhttp.Is(name, "Retry-After") {
		r.retryAfter = parseRetryAfter(string(val), time.Now())
		return
	}
	for _, written := range writtenHeaders {
		if len(val) > 0 && plainhttp.Is(name, written) {
			r.confirmed = true
		}
	}
}
