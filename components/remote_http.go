package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/config"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// remoteHTTPArguments are the arguments of remote.http.
type remoteHTTPArguments struct {
	URL string `alloy:"url,attr"` // which must answer 200

	// A poll must end before the next one begins.
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`
	PollTimeout   time.Duration `alloy:"poll_timeout,attr,optional"`

	IsSecret bool `alloy:"is_secret,attr,optional"` // the content is a secret

	// What is sent.
	Method  string            `alloy:"method,attr,optional"`
	Headers map[string]string `alloy:"headers,attr,optional"`
	Body    string            `alloy:"body,attr,optional"`

	Client clientBlock `alloy:"client,block,optional"`
}

// clientBlock is an HTTP client as a block of its own.
type clientBlock struct {
	HTTP args.HTTPClient `alloy:",squash"`
}

// SetToDefault sets the defaults of every client.
func (c *clientBlock) SetToDefault() { c.HTTP.SetToDefault() }

// Validate has the rules of every client.
func (c *clientBlock) Validate() error { return c.HTTP.Validate() }

// SetToDefault sets the documented defaults.
func (a *remoteHTTPArguments) SetToDefault() {
	*a = remoteHTTPArguments{
		PollFrequency: time.Minute,
		PollTimeout:   10 * time.Second,
		Method:        http.MethodGet,
	}
	a.Client.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *remoteHTTPArguments) Validate() error {
	errs := []error{
		validateURL("url", a.URL),
		positive("poll_frequency", a.PollFrequency),
		positive("poll_timeout", a.PollTimeout),
	}
	if a.PollTimeout >= a.PollFrequency {
		errs = append(errs, fmt.Errorf("poll_timeout %s must be less than poll_frequency %s", a.PollTimeout, a.PollFrequency))
	}
	if _, err := http.NewRequest(a.Method, "http://x", nil); err != nil {
		errs = append(errs, fmt.Errorf("method %q is no HTTP method", a.Method))
	}
	return errors.Join(errs...)
}

// maxRemoteBytes bounds the answer of a server.
const maxRemoteBytes = 64 << 20

// A remoteHTTP exports the body that a URL answers with, and again when it
// changes. Until the first answer it exports nothing, and what refers to the
// content waits for it; while there is no other answer the last one stands.
type remoteHTTP struct {
	log  *slog.Logger
	poll *cell.Cell[poll]
	out  exporter[contentExport]
}

// A poll is what is asked, and who asks.
type poll struct {
	args   remoteHTTPArguments
	client *http.Client
}

// newRemoteHTTP asks nothing yet: Run does.
func newRemoteHTTP(env component.Env, a remoteHTTPArguments) (component.Instance[remoteHTTPArguments], error) {
	p, err := newPoll(a)
	if err != nil {
		return nil, err
	}
	r := &remoteHTTP{log: env.Log, poll: cell.New(p), out: exporter[contentExport]{export: env.Export}}
	r.out.fail(errors.New("no answer yet"))
	return r, nil
}

// newPoll reports files of the client that cannot be used.
func newPoll(a remoteHTTPArguments) (poll, error) {
	client, err := config.NewClientFromConfig(a.Client.HTTP.Prometheus(), "remote.http")
	if err != nil {
		return poll{}, fmt.Errorf("set up HTTP client: %w", err)
	}
	return poll{args: a, client: client}, nil
}

// Update makes the next poll the one for a, at once.
func (r *remoteHTTP) Update(a remoteHTTPArguments) error {
	p, err := newPoll(a)
	if err != nil {
		return err
	}
	r.poll.Set(p)
	return nil
}

// Run polls until ctx is done.
func (r *remoteHTTP) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, changed := r.poll.Get()
		r.follow(ctx, p, changed)
	}
	return nil
}

// follow asks until ctx is done or the arguments have changed.
func (r *remoteHTTP) follow(ctx context.Context, p poll, changed <-chan struct{}) {
	defer p.client.CloseIdleConnections()
	repeat(ctx, changed, p.args.PollFrequency, func() {
		if err := r.ask(ctx, p); err != nil && ctx.Err() == nil && r.out.fail(err) {
			r.log.Error("cannot poll, the last content stands", "url", args.URL(p.args.URL).Redacted(), "err", err)
		}
	})
}

// repeat calls f at once and then every so often, until ctx is done or changed
// is closed.
func repeat(ctx context.Context, changed <-chan struct{}, every time.Duration, f func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-tick.C:
		}
	}
}

// ask asks once and exports the answer.
func (r *remoteHTTP) ask(ctx context.Context, p poll) error {
	ctx, cancel := context.WithTimeout(ctx, p.args.PollTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, p.args.Method, p.args.URL, strings.NewReader(p.args.Body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	for name, value := range p.args.Headers {
		req.Header.Set(name, value)
	}
	text, err := fetch(p.client, req)
	if err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	r.out.publish(contentExport{Content: alloytypes.OptionalSecret{IsSecret: p.args.IsSecret, Value: text}}, "polled")
	return nil
}

// fetch returns the body of the answer to req, which must be 200.
func fetch(client *http.Client, req *http.Request) (string, error) {
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRemoteBytes+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("server answered %s", resp.Status)
	case err != nil:
		return "", err
	case len(body) > maxRemoteBytes:
		return "", fmt.Errorf("answer is longer than %d bytes", maxRemoteBytes)
	}
	return string(body), nil
}

// Health tells how the last poll went.
func (r *remoteHTTP) Health() component.Health { return r.out.health() }
