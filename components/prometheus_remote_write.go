package components

import (
	"context"
	"errors"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote/azuread"
	"github.com/prometheus/prometheus/storage/remote/googleiam"
	"github.com/prometheus/sigv4"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/remote"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// remoteWriteArguments are the arguments of prometheus.remote_write.
type remoteWriteArguments struct {
	ExternalLabels map[string]string      `alloy:"external_labels,attr,optional"`
	Endpoints      []*remoteWriteEndpoint `alloy:"endpoint,block,optional"`
	WAL            remoteWriteWAL         `alloy:"wal,block,optional"`
}

// remoteWriteEndpoint is the block endpoint: one receiver.
type remoteWriteEndpoint struct {
	Name             string            `alloy:"name,attr,optional"`
	URL              string            `alloy:"url,attr"`
	Timeout          time.Duration     `alloy:"remote_timeout,attr,optional"`
	Headers          map[string]string `alloy:"headers,attr,optional"`
	Exemplars        bool              `alloy:"send_exemplars,attr,optional"`
	NativeHistograms bool              `alloy:"send_native_histograms,attr,optional"`
	Message          string            `alloy:"protobuf_message,attr,optional"`
	RoundRobinDNS    bool              `alloy:"round_robin_dns,attr,optional"`
	HTTP             args.HTTPClient   `alloy:",squash"`

	Queue    remoteWriteQueue    `alloy:"queue_config,block,optional"`
	Metadata remoteWriteMetadata `alloy:"metadata_config,block,optional"`
	Rules    []*args.Rule        `alloy:"write_relabel_config,block,optional"`
	SigV4    *remoteWriteSigV4   `alloy:"sigv4,block,optional"`
	AzureAD  *remoteWriteAzureAD `alloy:"azuread,block,optional"`
	Google   *remoteWriteGoogle  `alloy:"google_iam,block,optional"`
}

// SetToDefault sets the documented defaults.
func (e *remoteWriteEndpoint) SetToDefault() {
	*e = remoteWriteEndpoint{Timeout: 30 * time.Second, Exemplars: true, Message: remote.Message1}
	e.HTTP.SetToDefault()
	e.HTTP.EnableHTTP2 = false
	e.Queue.SetToDefault()
	e.Metadata.SetToDefault()
}

// Validate reports what is wrong with the endpoint, all at once.
func (e *remoteWriteEndpoint) Validate() error {
	rest := *e
	err := e.HTTP.Validate()
	if err != nil {
		rest.HTTP = args.HTTPClient{} // what is wrong cannot be converted
	}
	return errors.Join(err, remote.Config{Endpoints: []remote.Endpoint{rest.endpoint(0)}}.Validate())
}

// remoteWriteQueue is the block queue_config.
type remoteWriteQueue struct {
	Capacity   int `alloy:"capacity,attr,optional"`
	MaxShards  int `alloy:"max_shards,attr,optional"`
	MinShards  int `alloy:"min_shards,attr,optional"`
	MaxSamples int `alloy:"max_samples_per_send,attr,optional"`

	// BatchDeadline is an upper bound that always holds: what was appended is
	// sent after a quarter of a second, if a sender is free.
	BatchDeadline time.Duration `alloy:"batch_send_deadline,attr,optional"`

	MinBackoff   time.Duration `alloy:"min_backoff,attr,optional"`
	MaxBackoff   time.Duration `alloy:"max_backoff,attr,optional"`
	Retry429     bool          `alloy:"retry_on_http_429,attr,optional"`
	SampleMaxAge time.Duration `alloy:"sample_age_limit,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (q *remoteWriteQueue) SetToDefault() {
	*q = remoteWriteQueue{
		Capacity: 10_000, MaxShards: 50, MinShards: 1, MaxSamples: 2000, BatchDeadline: 5 * time.Second,
		MinBackoff: 30 * time.Millisecond, MaxBackoff: 5 * time.Second, Retry429: true,
	}
}

// remoteWriteMetadata is the block metadata_config.
type remoteWriteMetadata struct {
	Send       bool          `alloy:"send,attr,optional"`
	Interval   time.Duration `alloy:"send_interval,attr,optional"`
	MaxSamples int           `alloy:"max_samples_per_send,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (m *remoteWriteMetadata) SetToDefault() {
	*m = remoteWriteMetadata{Send: true, Interval: time.Minute, MaxSamples: 2000}
}

// remoteWriteWAL is the block wal. What is not delivered stays on disk until
// it is, or until the cap is reached; what is delivered is deleted at once. So
// the three times have nothing to steer: they are accepted, and have no effect.
// In particular max_keepalive_time does not delete what is undelivered.
type remoteWriteWAL struct {
	TruncateFrequency time.Duration `alloy:"truncate_frequency,attr,optional"`
	MinKeepaliveTime  time.Duration `alloy:"min_keepalive_time,attr,optional"`
	MaxKeepaliveTime  time.Duration `alloy:"max_keepalive_time,attr,optional"`

	// MaxBytes caps the log of each endpoint on disk; 0 is 10 GiB. Beyond it
	// the oldest samples are dropped and counted. Only divvy knows it.
	MaxBytes int64 `alloy:"max_bytes,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (w *remoteWriteWAL) SetToDefault() {
	*w = remoteWriteWAL{TruncateFrequency: 2 * time.Hour, MinKeepaliveTime: 5 * time.Minute, MaxKeepaliveTime: 8 * time.Hour}
}

// Validate reports times that contradict each other.
func (w *remoteWriteWAL) Validate() error {
	switch {
	case w.TruncateFrequency <= 0:
		return errors.New("truncate_frequency must be greater than 0")
	case w.MaxKeepaliveTime <= w.MinKeepaliveTime:
		return errors.New("min_keepalive_time must be smaller than max_keepalive_time")
	case w.MaxBytes < 0:
		return errors.New("max_bytes must not be negative")
	}
	return nil
}

// remoteWriteSigV4 is the block sigv4: requests are signed for AWS.
type remoteWriteSigV4 struct {
	Region      string            `alloy:"region,attr,optional"`
	AccessKey   string            `alloy:"access_key,attr,optional"`
	SecretKey   alloytypes.Secret `alloy:"secret_key,attr,optional"`
	Profile     string            `alloy:"profile,attr,optional"`
	RoleARN     string            `alloy:"role_arn,attr,optional"`
	ExternalID  string            `alloy:"external_id,attr,optional"`
	FIPS        bool              `alloy:"use_fips_sts_endpoint,attr,optional"`
	ServiceName string            `alloy:"service_name,attr,optional"`
}

// remoteWriteAzureAD is the block azuread: requests are authorised by Entra ID.
type remoteWriteAzureAD struct {
	ManagedIdentity  *azureManagedIdentity  `alloy:"managed_identity,block,optional"`
	WorkloadIdentity *azureWorkloadIdentity `alloy:"workload_identity,block,optional"`
	OAuth            *azureOAuth            `alloy:"oauth,block,optional"`
	SDK              *azureSDK              `alloy:"sdk,block,optional"`
	Cloud            string                 `alloy:"cloud,attr,optional"`
	Scope            string                 `alloy:"scope,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *remoteWriteAzureAD) SetToDefault() { *a = remoteWriteAzureAD{Cloud: azuread.AzurePublic} }

type azureManagedIdentity struct {
	ClientID string `alloy:"client_id,attr"`
}

type azureWorkloadIdentity struct {
	ClientID      string `alloy:"client_id,attr"`
	TenantID      string `alloy:"tenant_id,attr"`
	TokenFilePath string `alloy:"token_file_path,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (w *azureWorkloadIdentity) SetToDefault() {
	*w = azureWorkloadIdentity{TokenFilePath: azuread.DefaultWorkloadIdentityTokenPath}
}

type azureOAuth struct {
	ClientID     string            `alloy:"client_id,attr"`
	ClientSecret alloytypes.Secret `alloy:"client_secret,attr"`
	TenantID     string            `alloy:"tenant_id,attr"`
}

type azureSDK struct {
	TenantID string `alloy:"tenant_id,attr"`
}

// remoteWriteGoogle is the block google_iam: requests are authorised by Google
// Cloud; without a file, by the credentials of the machine.
type remoteWriteGoogle struct {
	CredentialsFile string `alloy:"credentials_file,attr,optional"`
}

// remoteWriteExports are the exports of prometheus.remote_write.
type remoteWriteExports struct {
	Receiver args.Receiver `alloy:"receiver,attr"`
}

// SetToDefault sets the documented defaults.
func (a *remoteWriteArguments) SetToDefault() {
	*a = remoteWriteArguments{}
	a.WAL.SetToDefault()
}

// Validate reports endpoints that cannot be told apart.
func (a *remoteWriteArguments) Validate() error { return a.config(component.Env{}).Validate() }

// config returns what the engine is to do.
func (a *remoteWriteArguments) config(env component.Env) remote.Config {
	c := remote.Config{
		ExternalLabels: labels.FromMap(a.ExternalLabels),
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

// endpoint returns e for the engine.
func (e *remoteWriteEndpoint) endpoint(maxBytes int64) remote.Endpoint {
	q, m := e.Queue, e.Metadata
	out := remote.Endpoint{
		Name: e.Name, URL: e.URL, Timeout: e.Timeout, Headers: e.Headers, Message: e.Message,
		Exemplars: e.Exemplars, NativeHistograms: e.NativeHistograms, RoundRobinDNS: e.RoundRobinDNS,
		MaxBytes: maxBytes,
		Queue: remote.Queue{
			Capacity: q.Capacity, MinLanes: q.MinShards, MaxLanes: q.MaxShards, MaxSamples: q.MaxSamples,
			MinBackoff: q.MinBackoff, MaxBackoff: q.MaxBackoff, Retry429: q.Retry429, SampleMaxAge: q.SampleMaxAge,
		},
		Metadata: remote.Metadata{Send: m.Send, Interval: m.Interval, MaxEntries: m.MaxSamples},
		Rules:    args.Rules(e.Rules),
		HTTP:     e.HTTP.Prometheus(),
		SigV4:    e.SigV4.prometheus(),
		AzureAD:  e.AzureAD.prometheus(),
	}
	if e.Google != nil {
		out.GoogleIAM = &googleiam.Config{CredentialsFile: e.Google.CredentialsFile}
	}
	return out
}

func (s *remoteWriteSigV4) prometheus() *sigv4.SigV4Config {
	if s == nil {
		return nil
	}
	return &sigv4.SigV4Config{
		Region: s.Region, AccessKey: s.AccessKey, SecretKey: config.Secret(s.SecretKey), Profile: s.Profile,
		RoleARN: s.RoleARN, ExternalID: s.ExternalID, UseFIPSSTSEndpoint: s.FIPS, ServiceName: s.ServiceName,
	}
}

func (a *remoteWriteAzureAD) prometheus() *azuread.AzureADConfig {
	if a == nil {
		return nil
	}
	out := &azuread.AzureADConfig{Cloud: a.Cloud, Scope: a.Scope}
	if m := a.ManagedIdentity; m != nil {
		out.ManagedIdentity = &azuread.ManagedIdentityConfig{ClientID: m.ClientID}
	}
	if w := a.WorkloadIdentity; w != nil {
		out.WorkloadIdentity = &azuread.WorkloadIdentityConfig{
			ClientID: w.ClientID, TenantID: w.TenantID, TokenFilePath: w.TokenFilePath,
		}
	}
	if o := a.OAuth; o != nil {
		out.OAuth = &azuread.OAuthConfig{ClientID: o.ClientID, ClientSecret: config.Secret(o.ClientSecret), TenantID: o.TenantID}
	}
	if s := a.SDK; s != nil {
		out.SDK = &azuread.SDKConfig{TenantID: s.TenantID}
	}
	return out
}

// remoteWrite is one prometheus.remote_write.
type remoteWrite struct {
	env    component.Env
	writer *remote.Writer
}

func newRemoteWrite(env component.Env, a remoteWriteArguments) (component.Instance[remoteWriteArguments], error) {
	w, err := remote.New(a.config(env))
	if err != nil {
		return nil, err
	}
	env.Export(remoteWriteExports{Receiver: args.Receiver{Sink: w}})
	return &remoteWrite{env: env, writer: w}, nil
}

// Run sends until ctx is done, then what is left as far as env.Drain allows.
func (c *remoteWrite) Run(ctx context.Context) error { return c.writer.Run(ctx) }

// Update replaces the endpoints; those that did not change keep running.
func (c *remoteWrite) Update(a remoteWriteArguments) error { return c.writer.Update(a.config(c.env)) }

// Primed reports whether what is received survives a crash.
func (c *remoteWrite) Primed() bool { return c.writer.Opened() }

// Health is that of the first endpoint that is not well.
func (c *remoteWrite) Health() component.Health {
	since, err := c.writer.Health()
	if err != nil {
		return component.Health{State: component.Unhealthy, Message: err.Error(), Since: since}
	}
	return component.Health{State: component.Healthy, Message: "samples are delivered", Since: since}
}

// remoteWriteDebug is what the component page shows.
type remoteWriteDebug struct {
	Endpoints []remoteWriteStatus `alloy:"endpoint,block,optional"`
}

type remoteWriteStatus struct {
	Name           string    `alloy:"name,attr"`
	URL            string    `alloy:"url,attr"`
	Shards         int       `alloy:"shards,attr"`
	PendingSamples int64     `alloy:"pending_samples,attr"`
	PendingBytes   int64     `alloy:"pending_bytes,attr"`
	OldestPending  time.Time `alloy:"oldest_pending,attr,optional"`
	FailingSince   time.Time `alloy:"failing_since,attr,optional"`
	LastError      string    `alloy:"last_error,attr,optional"`
}

// DebugInfo shows the backlog of each endpoint.
func (c *remoteWrite) DebugInfo() any {
	var out remoteWriteDebug
	for _, s := range c.writer.Status() {
		out.Endpoints = append(out.Endpoints, remoteWriteStatus{
			Name: s.Name, URL: s.URL, Shards: s.Lanes, PendingSamples: s.Backlog, PendingBytes: s.Bytes,
			OldestPending: s.Oldest, FailingSince: s.FailingSince, LastError: s.LastError,
		})
	}
	return out
}

// Endpoints returns the state of each endpoint: see component.Deliverer.
func (c *remoteWrite) Endpoints() []status.Endpoint {
	var out []status.Endpoint
	for _, s := range c.writer.Status() {
		s.Component = c.env.ID
		out = append(out, s.Endpoint)
	}
	return out
}

// History returns the last hour of an endpoint: see component.Deliverer.
func (c *remoteWrite) History(endpoint string) []status.Point { return c.writer.History(endpoint) }
