package remote

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
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/storage/remote/azuread"
	"github.com/prometheus/prometheus/storage/remote/googleiam"
	"github.com/prometheus/sigv4"
	"golang.org/x/net/http/httpguts"

	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/vfs"
)

// Names of the two messages, for Endpoint.Message.
const (
	Message1 = "prometheus.WriteRequest"
	Message2 = "io.prometheus.write.v2.Request"
)

// Config says what a Writer sends, where to, and where it keeps what is not
// sent yet. Update ignores the fields after Endpoints.
type Config struct {
	ExternalLabels labels.Labels // added to series that lack them, before the endpoints' rules
	Endpoints      []Endpoint    // none: every series is dropped

	Dir      string                // each endpoint has its log in a directory of its own below
	FS       vfs.FS                // nil: the disk
	Log      *slog.Logger          // nil: silence
	Registry prometheus.Registerer // nil: no metrics
	Drain    time.Duration         // how long Run delivers what is left after its ctx is done
	Live     *live.Feed            // told of the samples as they are written; may be nil
	Flow     *live.Flow            // how many there are; may be nil
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error)
}

// An Endpoint is one receiver.
type Endpoint struct {
	Name             string // remote_name in metrics and name of the log's directory; empty: a hash of URL
	URL              string
	Timeout          time.Duration     // of one request; 0: 30 s
	Headers          map[string]string // added to every request
	Message          string            // Message1 or Message2; empty: Message1
	Exemplars        bool              // send exemplars; else they are dropped and counted
	NativeHistograms bool              // send native histograms; else they are dropped and counted
	MaxBytes         int64             // cap of the log on disk; 0: the default of package queue
	RoundRobinDNS    bool              // connect to a random address of the host, not the first

	Queue    Queue
	Metadata Metadata
	Rules    []*relabel.Config // write_relabel_config

	HTTP      config.HTTPClientConfig
	SigV4     *sigv4.SigV4Config     // sign for AWS; nil: no
	AzureAD   *azuread.AzureADConfig // authorise with Entra ID; nil: no
	GoogleIAM *googleiam.Config      // authorise with Google Cloud; nil: no
}

// Queue says how an endpoint is sent to.
type Queue struct {
	Capacity     int           // samples read ahead for each lane; 0: 10,000
	MinLanes     int           // parallel senders to begin with; 0: 1
	MaxLanes     int           // parallel senders at most; 0: 50
	MaxSamples   int           // samples, histograms and exemplars of one request; 0: 2,000
	MinBackoff   time.Duration // wait before the first retry, doubled with each; 0: 30 ms
	MaxBackoff   time.Duration // longest wait that the receiver did not ask for; 0: 5 s
	Retry429     bool          // retry 429; else what was refused so is dropped
	SampleMaxAge time.Duration // older samples are dropped when it is their turn; 0: none is
}

// Metadata says how type, unit and help go to a receiver of remote write 1.0.
// With 2.0 they go with each series.
type Metadata struct {
	Send       bool
	Interval   time.Duration // 0: 1 min
	MaxEntries int           // of one request; 0: 2,000
}

// withDefaults returns e with every zero that stands for a default replaced.
func (e Endpoint) withDefaults() Endpoint {
	set(&e.Timeout, 30*time.Second)
	set(&e.Message, Message1)
	set(&e.Queue.Capacity, 10_000)
	set(&e.Queue.MinLanes, 1)
	set(&e.Queue.MaxLanes, 50)
	set(&e.Queue.MaxSamples, 2000)
	set(&e.Queue.MinBackoff, 30*time.Millisecond)
	set(&e.Queue.MaxBackoff, 5*time.Second)
	set(&e.Metadata.Interval, time.Minute)
	set(&e.Metadata.MaxEntries, 2000)
	return e
}

// set replaces the zero value.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// key names the endpoint: its metrics and its directory.
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

// Validate reports everything that is wrong with c, joined.
func (c Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, e := range c.Endpoints {
		if seen[e.key()] {
			errs = append(errs, fmt.Errorf("endpoint %q is there twice: give each endpoint a name of its own", e.title()))
		}
		seen[e.key()] = true
		errs = append(errs, e.validate()...)
	}
	return errors.Join(append(errs, c.validateLabels()...)...)
}

// validateLabels reports external labels that every receiver would refuse, and
// with them every sample.
func (c Config) validateLabels() (errs []error) {
	c.ExternalLabels.Range(func(l labels.Label) {
		switch {
		case l.Name == "" || !utf8.ValidString(l.Name):
			errs = append(errs, fmt.Errorf("external_labels must not have the name %q: use a label name in UTF-8", l.Name))
		case !utf8.ValidString(l.Value):
			errs = append(errs, fmt.Errorf("external_labels has a value that is not UTF-8: %q", l.Value))
		}
	})
	return errs
}

// title is how a user recognises the endpoint.
func (e Endpoint) title() string {
	if e.Name != "" {
		return e.Name
	}
	return e.redacted()
}

// redacted is the URL without a password, and without parameters that are secret
// by name.
func (e Endpoint) redacted() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return "(not a URL)"
	}
	u.RawQuery = strings.TrimPrefix(status.HidePasswords("?"+u.RawQuery), "?")
	return u.Redacted()
}

// validate reports what is wrong with e, each in the words of the
// configuration: the names are those of the arguments.
func (e Endpoint) validate() (errs []error) {
	e = e.withDefaults()
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("endpoint %q: %w", e.title(), fmt.Errorf(format, args...)))
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		wrong("url must be http://host/path or https://host/path")
	}
	if e.Message != Message1 && e.Message != Message2 {
		wrong("protobuf_message is %q: use %q or %q", e.Message, Message1, Message2)
	}
	if err := e.durationError(); err != nil {
		wrong("%w", err)
	}
	q := e.Queue
	if q.MinLanes < 1 || q.MaxLanes < q.MinLanes || q.MaxLanes > maxLanes {
		wrong("min_shards is %d and max_shards %d: use 1 ≤ min_shards ≤ max_shards ≤ %d", q.MinLanes, q.MaxLanes, maxLanes)
	}
	if q.MaxSamples < 1 || q.Capacity < 1 || e.Metadata.MaxEntries < 1 {
		wrong("max_samples_per_send and capacity must be at least 1")
	}
	if q.MinBackoff < 0 || q.MaxBackoff < q.MinBackoff {
		wrong("min_backoff is %s and max_backoff %s: use min_backoff ≤ max_backoff", q.MinBackoff, q.MaxBackoff)
	}
	for name, value := range e.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			wrong("headers: %q or its value cannot be sent: names are letters, digits and hyphens, and values one line", name)
		}
		if _, reserved := reservedHeaders[http.CanonicalHeaderKey(name)]; reserved {
			wrong("headers must not set %s: divvy sets it itself", name)
		}
	}
	if err := e.authError(); err != nil {
		wrong("%w", err)
	}
	return errs
}

// durationError reports a time below zero.
func (e Endpoint) durationError() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"remote_timeout", e.Timeout}, {"send_interval", e.Metadata.Interval}, {"sample_age_limit", e.Queue.SampleMaxAge},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s is %s: it must not be negative", d.name, d.value)
		}
	}
	return nil
}

// maxLanes is what a record of the log can say.
const maxLanes = 1 << 15

// reservedHeaders are those that the protocol fixes.
var reservedHeaders = map[string]struct{}{
	"Content-Encoding": {}, "Content-Type": {}, "X-Prometheus-Remote-Write-Version": {},
	"User-Agent": {}, "Content-Length": {}, "Connection": {}, "Retry-Attempt": {},
}

// authError reports what is wrong with the ways to authenticate.
func (e Endpoint) authError() error {
	h := e.HTTP
	ways := 0
	for _, is := range []bool{
		e.SigV4 != nil, e.AzureAD != nil, e.GoogleIAM != nil,
		h.BasicAuth != nil, h.Authorization != nil, h.OAuth2 != nil,
		len(h.BearerToken) > 0, h.BearerTokenFile != "",
	} {
		if is {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("at most one of basic_auth, authorization, oauth2, bearer_token, bearer_token_file, sigv4, azuread and google_iam may be there")
	case e.SigV4 != nil:
		return e.SigV4.Validate()
	case e.AzureAD != nil:
		return e.AzureAD.Validate()
	}
	return nil
}

// sameClient reports whether a and b differ at most in their rules.
func sameClient(a, b Endpoint) bool {
	a.Rules, b.Rules = nil, nil
	return reflect.DeepEqual(a, b)
}

// rulesKey is equal for equal lists of rules.
func rulesKey(rules []*relabel.Config) string {
	var s strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&s, "%q %q %q %d %q %q %q %d\n", r.SourceLabels, r.Separator, r.Regex.String(),
			r.Modulus, r.TargetLabel, r.Replacement, r.Action, r.NameValidationScheme)
	}
	return s.String()
}
