package pyroscope

import (
	"context"
	"errors"
	"time"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles/push"
	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Write is the kind pyroscope.write.
func Write() component.Kind {
	return component.Of[writeArguments, writeExports]("pyroscope.write", newWrite).Shows(live.Profiles)
}

// writeArguments are the arguments of pyroscope.write.
type writeArguments struct {
	ExternalLabels map[string]string `alloy:"external_labels,attr,optional"`
	Endpoints      []*writeEndpoint  `alloy:"endpoint,block,optional"`

	// Tracing says how traces of requests are told to servers. It has no effect:
	// there are no traces.
	Tracing writeTracing `alloy:"tracing,block,optional"`

	WAL writeWAL `alloy:"wal,block,optional"`
}

// writeEndpoint is the block endpoint: one server.
type writeEndpoint struct {
	Name    string            `alloy:"name,attr,optional"`
	URL     string            `alloy:"url,attr"`
	Timeout time.Duration     `alloy:"remote_timeout,attr,optional"`
	Headers map[string]string `alloy:"headers,attr,optional"`

	// DebugInfoTimeout is for debug information of executables, which nothing
	// here sends. It has no effect.
	DebugInfoTimeout time.Duration `alloy:"debug_info_upload_timeout,attr,optional"`

	MinBackoff time.Duration `alloy:"min_backoff_period,attr,optional"`
	MaxBackoff time.Duration `alloy:"max_backoff_period,attr,optional"`

	// MaxRetries counts answers that may be about the profile. A server that is
	// not there is tried for as long as it takes.
	MaxRetries int  `alloy:"max_backoff_retries,attr,optional"` // 0: no bound
	Retry429   bool `alloy:"retry_on_http_429,attr,optional"`

	HTTP args.HTTPClient `alloy:",squash"`
}

// SetToDefault sets the documented defaults.
func (e *writeEndpoint) SetToDefault() {
	*e = writeEndpoint{
		Timeout: 10 * time.Second, DebugInfoTimeout: 2 * time.Minute,
		MinBackoff: 500 * time.Millisecond, MaxBackoff: 5 * time.Minute, MaxRetries: 10, Retry429: true,
	}
	e.HTTP.SetToDefault()
}

// Validate reports what is wrong with the endpoint, all at once.
func (e *writeEndpoint) Validate() error {
	rest := *e
	err := e.HTTP.Validate()
	if err != nil {
		rest.HTTP = args.HTTPClient{} // what is wrong cannot be converted
	}
	return errors.Join(err, push.Config{Endpoints: []push.Endpoint{rest.endpoint(0)}}.Validate())
}

// endpoint returns e for the engine.
func (e *writeEndpoint) endpoint(maxBytes int64) push.Endpoint {
	return push.Endpoint{
		Name: e.Name, URL: e.URL, Timeout: e.Timeout, Headers: e.Headers,
		MinBackoff: e.MinBackoff, MaxBackoff: e.MaxBackoff, MaxRetries: e.MaxRetries, Retry429: e.Retry429,
		MaxBytes: maxBytes, HTTP: e.HTTP.Prometheus(),
	}
}

// writeTracing is the block tracing.
type writeTracing struct {
	Jaeger       bool `alloy:"jaeger_propagator,attr,optional"`
	TraceContext bool `alloy:"trace_context_propagator,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (t *writeTracing) SetToDefault() { *t = writeTracing{Jaeger: true, TraceContext: true} }

// writeWAL is the block wal, which only divvy knows: what is not delivered is
// on disk.
type writeWAL struct {
	// MaxBytes caps the log of each endpoint on disk; 0 is 10 GiB. Beyond it
	// the oldest profiles are dropped and counted.
	MaxBytes int64 `alloy:"max_bytes,attr,optional"`
}

// Validate reports a cap below zero.
func (w *writeWAL) Validate() error {
	if w.MaxBytes < 0 {
		return errors.New("max_bytes must not be negative")
	}
	return nil
}

// writeExports are the exports of pyroscope.write.
type writeExports struct {
	Receiver Receiver `alloy:"receiver,attr"`
}

// SetToDefault sets the documented defaults.
func (a *writeArguments) SetToDefault() {
	*a = writeArguments{}
	a.Tracing.SetToDefault()
}

// Validate reports endpoints that cannot be told apart.
func (a *writeArguments) Validate() error { return a.config(component.Env{}).Validate() }

// config returns what the engine is to do.
func (a *writeArguments) config(env component.Env) push.Config {
	c := push.Config{
		ExternalLabels: a.ExternalLabels,
		Dir:            env.Dir,
		Log:            env.Log,
		Registry:       env.Registry,
		Drain:          env.Drain,
		Dial:           env.Dial,
		Live:           env.Live,
		Flow:           env.Flow,
	}
	for _, e := range a.Endpoints {
		c.Endpoints = append(c.Endpoints, e.endpoint(a.WAL.MaxBytes))
	}
	return c
}

// write is one pyroscope.write.
type write struct {
	env    component.Env
	writer *push.Writer
}

func newWrite(env component.Env, a writeArguments) (component.Instance[writeArguments], error) {
	w, err := push.New(a.config(env))
	if err != nil {
		return nil, err
	}
	env.Export(writeExports{Receiver: Receiver{Sink: w}})
	return &write{env: env, writer: w}, nil
}

// Run sends until ctx is done, then what is left as far as env.Drain allows.
func (c *write) Run(ctx context.Context) error { return c.writer.Run(ctx) }

// Update replaces the endpoints; those that did not change keep running.
func (c *write) Update(a writeArguments) error { return c.writer.Update(a.config(c.env)) }

// Primed reports whether what is received survives a crash.
func (c *write) Primed() bool { return c.writer.Opened() }

// Health is that of the first endpoint that is not well.
func (c *write) Health() component.Health {
	since, err := c.writer.Health()
	if err != nil {
		return component.Health{State: component.Unhealthy, Message: err.Error(), Since: since}
	}
	return component.Health{State: component.Healthy, Message: "profiles are delivered", Since: since}
}

// writeDebug is what the component page shows.
type writeDebug struct {
	Endpoints []writeStatus `alloy:"endpoint,block,optional"`
}

type writeStatus struct {
	Name            string           `alloy:"name,attr"`
	URL             string           `alloy:"url,attr"`
	SentProfiles    int64            `alloy:"sent_profiles,attr"`
	PendingProfiles int64            `alloy:"pending_profiles,attr"`
	PendingBytes    int64            `alloy:"pending_bytes,attr"`
	OldestPending   time.Time        `alloy:"oldest_pending,attr,optional"`
	Dropped         map[string]int64 `alloy:"dropped_profiles,attr,optional"` // by reason
	FailingSince    time.Time        `alloy:"failing_since,attr,optional"`
	LastError       string           `alloy:"last_error,attr,optional"`
}

// DebugInfo shows the backlog of each endpoint.
func (c *write) DebugInfo() any {
	var out writeDebug
	for _, s := range c.writer.Status() {
		out.Endpoints = append(out.Endpoints, writeStatus{
			Name: s.Name, URL: s.URL, SentProfiles: s.Sent, PendingProfiles: s.Backlog, PendingBytes: s.Bytes,
			OldestPending: s.Oldest, Dropped: s.Dropped, FailingSince: s.FailingSince, LastError: s.LastError,
		})
	}
	return out
}

// Endpoints returns the state of each endpoint: see component.Deliverer.
func (c *write) Endpoints() []status.Endpoint {
	var out []status.Endpoint
	for _, s := range c.writer.Status() {
		s.Component = c.env.ID
		out = append(out, s.Endpoint)
	}
	return out
}

// History returns the last hour of an endpoint: see component.Deliverer.
func (c *write) History(endpoint string) []status.Point { return c.writer.History(endpoint) }
