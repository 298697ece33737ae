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
	URL           string            `alloy:"url,attr"`
	PollFrequency time.Duration     `alloy:"poll_frequency,attr,optional"`
	PollTimeout   time.Duration     `alloy:"poll_timeout,attr,optional"`
	IsSecret      bool              `alloy:"is_secret,attr,optional"`
	Method        string            `alloy:"method,attr,optional"`
	Headers       map[string]string `alloy:"headers,attr,optional"`
	Body          string            `alloy:"body,attr,optional"`
	Client        clientBlock       `alloy:"client,block,optional"`
}

// clientBlock is an HTTP client as a block of its own.
type clientBlock struct {
	HTTP args.HTTPClient `alloy:",squash"`
}

func (c *clientBlock) SetToDefault()   { c.HTTP.SetToDefault() }
func (c *clientBlock) Validate() error { return c.HTTP.Validate() }

func (a *remoteHTTPArguments) SetToDefault() {
	*a = remoteHTTPArguments{
		PollFrequency: time.Minute,
		PollTimeout:   10 * time.Second,
		Method:        http.MethodGet,
	}
	a.Client.SetToDefault()
}

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
// changes. While there is none the last one stands.
//
// The first answer is awaited when the component is built or updated, at most
// poll_timeout: what refers to the content cannot be evaluated without it.
type remoteHTTP struct {
	log  *slog.Logger
	args *cell.Cell[remoteHTTPArguments]
	out  contentExporter
}

func newRemoteHTTP(env component.Env, a remoteHTTPArguments) (component.Instance[remoteHTTPArguments], error) {
	r := &remoteHTTP{log: env.Log, args: cell.New(a), out: contentExporter{export: env.Export}}
	return r, r.Update(a)
}

// Update asks once, and refuses the arguments if there is no answer.
func (r *remoteHTTP) Update(a remoteHTTPArguments) error {
	client, err := config.NewClientFromConfig(a.Client.HTTP.Prometheus(), "remote.http")
	if err != nil {
		return fmt.Errorf("set up HTTP client: %w", err)
	}
	defer client.CloseIdleConnections()
	if err := r.poll(context.Background(), client, a); err != nil {
		return err
	}
	r.args.Set(a)
	return nil
}

func (r *remoteHTTP) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		a, changed := r.args.Get()
		r.follow(ctx, a, changed)
	}
	return nil
}

// follow polls until ctx is done or the arguments have changed.
func (r *remoteHTTP) follow(ctx context.Context, a remoteHTTPArguments, changed <-chan struct{}) {
	client, err := config.NewClientFromConfig(a.Client.HTTP.Prometheus(), "remote.http")
	if err != nil {
		r.fail(a, fmt.Errorf("set up HTTP client: %w", err))
		select {
		case <-changed:
		case <-ctx.Done():
		}
		return
	}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(a.PollFrequency)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-tick.C:
			if err := r.poll(ctx, client, a); err != nil && ctx.Err() == nil {
				r.fail(a, err)
			}
		}
	}
}

// fail says once what went wrong.
func (r *remoteHTTP) fail(a remoteHTTPArguments, err error) {
	if r.out.fail(err) {
		r.log.Error("cannot poll, the last content stands", "url", args.URL(a.URL).Redacted(), "err", err)
	}
}

// poll asks once and exports the answer.
func (r *remoteHTTP) poll(ctx context.Context, client *http.Client, a remoteHTTPArguments) error {
	ctx, cancel := context.WithTimeout(ctx, a.PollTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, a.Method, a.URL, strings.NewReader(a.Body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	for name, value := range a.Headers {
		req.Header.Set(name, value)
	}
	text, err := fetch(client, req)
	if err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	r.out.set(alloytypes.OptionalSecret{IsSecret: a.IsSecret, Value: text}, "polled")
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

func (r *remoteHTTP) Health() component.Health { return r.out.health() }
