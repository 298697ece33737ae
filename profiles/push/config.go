package push

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"

	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/vfs"
)

// Config says what a Writer sends, where to, and where it keeps what is not
// sent yet. Update ignores the fields after Endpoints.
type Config struct {
	ExternalLabels map[string]string // replace labels of the same name
	Endpoints      []Endpoint        // none: every profile is dropped

	Dir      string                // each endpoint has its log in a directory of its own below
	FS       vfs.FS                // nil: the disk
	Log      *slog.Logger          // nil: silence
	Registry prometheus.Registerer // nil: no metrics
	Drain    time.Duration         // how long Run delivers what is left after its ctx is done
	Live     *live.Feed            // told of the profiles as they are sent; may be nil
	Flow     *live.Flow            // how many there are; may be nil
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error)
}

// An Endpoint is one server.
type Endpoint struct {
	Name       string            // of the log's directory; empty: a hash of URL
	URL        string            // to which the paths of the API are added
	Timeout    time.Duration     // of one request; 0: 10 s
	Headers    map[string]string // added to every request
	MinBackoff time.Duration     // wait before the first retry, doubled with each; 0: 500 ms
	MaxBackoff time.Duration     // longest wait; 0: 5 min
	MaxRetries int               // of a profile that the server answers with an error; 0: no bound
	Retry429   bool              // retry 429; else what was refused so is dropped
	MaxBytes   int64             // cap of the log on disk; 0: the default of package queue
	HTTP       config.HTTPClientConfig
}

// withDefaults returns e with every zero that stands for a default replaced.
func (e Endpoint) withDefaults() Endpoint {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&e.Timeout, 10 * time.Second}, {&e.MinBackoff, 500 * time.Millisecond}, {&e.MaxBackoff, 5 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return e
}

// key names the endpoint and its directory.
func (e Endpoint) key() string {
	if e.Name != "" {
		return e.Name
	}
	h := fnv.New64a()
	h.Write([]byte(e.URL))
	return fmt.Sprintf("%016x", h.Sum64())[:6]
}

// dir is the directory of the endpoint's log below root. Every key has one of
// its own, whatever characters it is made of.
func (e Endpoint) dir(root string) string {
	return path.Join(root, strings.ReplaceAll(url.PathEscape(e.key()), ".", "%2E"))
}

// An identity is what makes an endpoint the same after an Update. One that has
// moved to another URL, or whose log has another cap, is another endpoint,
// which takes over the log once the first has let go of it.
type identity struct {
	key, url string
	maxBytes int64
}

func (e Endpoint) identity() identity { return identity{e.key(), e.URL, e.MaxBytes} }

// title is how a user recognises the endpoint.
func (e Endpoint) title() string {
	if e.Name != "" {
		return e.Name
	}
	return e.redacted()
}

// redacted is the URL without what is secret in it.
func (e Endpoint) redacted() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return "(not a URL)"
	}
	u.RawQuery = strings.TrimPrefix(status.HidePasswords("?"+u.RawQuery), "?")
	return u.Redacted()
}

// Validate reports everything that is wrong with c, joined.
func (c Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, e := range c.Endpoints {
		if seen[e.key()] {
			errs = append(errs, fmt.Errorf("endpoint %q is there twice: give each endpoint a name of its own", e.title()))
		}
		seen[e.key()] = true
		for _, err := range e.validate() {
			errs = append(errs, fmt.Errorf("endpoint %q: %w", e.title(), err))
		}
	}
	for name, value := range c.ExternalLabels {
		if err := checkLabel(name, value); err != nil {
			errs = append(errs, fmt.Errorf("external_labels: %w", err))
		}
	}
	return errors.Join(errs...)
}

// validate reports what is wrong with e in the words of the configuration.
func (e Endpoint) validate() (errs []error) {
	e = e.withDefaults()
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, errors.New("url must be http://host or https://host, with or without a path"))
	}
	if e.Timeout < 0 {
		errs = append(errs, fmt.Errorf("remote_timeout is %s: it must not be negative", e.Timeout))
	}
	if e.MinBackoff < 0 || e.MaxBackoff < e.MinBackoff {
		errs = append(errs, fmt.Errorf("min_backoff_period is %s and max_backoff_period %s: use min_backoff_period ≤ max_backoff_period", e.MinBackoff, e.MaxBackoff))
	}
	if e.MaxRetries < 0 {
		errs = append(errs, errors.New("max_backoff_retries must not be negative; 0 is no bound"))
	}
	for name, value := range e.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			errs = append(errs, fmt.Errorf("headers: %q or its value cannot be sent: names are letters, digits and hyphens, and values one line", name))
		}
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type", "Content-Length", "Content-Encoding", "Connection", "User-Agent", "Connect-Protocol-Version":
			errs = append(errs, fmt.Errorf("headers must not set %s: divvy sets it itself", name))
		}
	}
	return errs
}
