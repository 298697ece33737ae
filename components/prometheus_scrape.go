package components

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// scrapeArgs are the arguments of prometheus.scrape.
type scrapeArgs struct {
	Targets   []args.Target   `alloy:"targets,attr"`
	ForwardTo []args.Receiver `alloy:"forward_to,attr"`

	JobName                  string        `alloy:"job_name,attr,optional"` // empty: the component's ID
	HonorLabels              bool          `alloy:"honor_labels,attr,optional"`
	HonorTimestamps          bool          `alloy:"honor_timestamps,attr,optional"`
	TrackTimestampsStaleness bool          `alloy:"track_timestamps_staleness,attr,optional"`
	Params                   url.Values    `alloy:"params,attr,optional"`
	ScrapeClassicHistograms  bool          `alloy:"scrape_classic_histograms,attr,optional"`
	ScrapeNativeHistograms   bool          `alloy:"scrape_native_histograms,attr,optional"`
	ScrapeFailureLogFile     string        `alloy:"scrape_failure_log_file,attr,optional"`
	ScrapeInterval           time.Duration `alloy:"scrape_interval,attr,optional"`
	ScrapeTimeout            time.Duration `alloy:"scrape_timeout,attr,optional"`
	ScrapeProtocols          []string      `alloy:"scrape_protocols,attr,optional"`
	MetricsPath              string        `alloy:"metrics_path,attr,optional"`
	Scheme                   string        `alloy:"scheme,attr,optional"`

	BodySizeLimit         byteSize `alloy:"body_size_limit,attr,optional"` // bytes of a body, inflated; 0: the engine's bound
	SampleLimit           uint     `alloy:"sample_limit,attr,optional"`
	TargetLimit           uint     `alloy:"target_limit,attr,optional"`
	LabelLimit            uint     `alloy:"label_limit,attr,optional"`
	LabelNameLengthLimit  uint     `alloy:"label_name_length_limit,attr,optional"`
	LabelValueLengthLimit uint     `alloy:"label_value_length_limit,attr,optional"`

	HTTP args.HTTPClient `alloy:",squash"`

	ExtraMetrics                   bool    `alloy:"extra_metrics,attr,optional"`
	EnableProtobufNegotiation      bool    `alloy:"enable_protobuf_negotiation,attr,optional"`
	MetricNameValidationScheme     string  `alloy:"metric_name_validation_scheme,attr,optional"`
	MetricNameEscapingScheme       string  `alloy:"metric_name_escaping_scheme,attr,optional"` // empty: what suits the validation scheme
	ScrapeFallbackProtocol         string  `alloy:"scrape_fallback_protocol,attr,optional"`
	ConvertClassicHistogramsToNHCB bool    `alloy:"convert_classic_histograms_to_nhcb,attr,optional"`
	EnableCompression              bool    `alloy:"enable_compression,attr,optional"`
	NativeHistogramBucketLimit     uint    `alloy:"native_histogram_bucket_limit,attr,optional"`
	NativeHistogramMinBucketFactor float64 `alloy:"native_histogram_min_bucket_factor,attr,optional"`
	HonorMetadata                  bool    `alloy:"honor_metadata,attr,optional"`
	EnableTypeAndUnitLabels        bool    `alloy:"enable_type_and_unit_labels,attr,optional"`
	StartTimestampZeroIngestion    bool    `alloy:"start_timestamp_zero_ingestion,attr,optional"`

	Clustering *scrapeClustering `alloy:"clustering,block,optional"`
}

// scrapeClustering is the block clustering.
type scrapeClustering struct {
	Enabled bool `alloy:"enabled,attr"`
}

// textProtocols is the default of scrape_protocols.
func textProtocols() []string {
	return []string{"OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"}
}

// SetToDefault sets the documented defaults.
func (a *scrapeArgs) SetToDefault() {
	*a = scrapeArgs{
		MetricsPath:                "/metrics",
		Scheme:                     "http",
		HonorTimestamps:            true,
		ScrapeInterval:             time.Minute,
		ScrapeTimeout:              10 * time.Second,
		ScrapeProtocols:            textProtocols(),
		ScrapeFallbackProtocol:     string(scrape.PrometheusText004),
		MetricNameValidationScheme: model.LegacyValidation.String(),
		EnableCompression:          true,
	}
	a.HTTP.SetToDefault()
}

// Validate reports every combination of arguments that cannot be, joined. It
// fills in the defaults that depend on other arguments.
func (a *scrapeArgs) Validate() error {
	errs := []error{a.validateTimes(), a.validateProtocols(), a.validateNames(), a.HTTP.Validate()}
	if a.Scheme != "http" && a.Scheme != "https" {
		errs = append(errs, fmt.Errorf(`scheme must be "http" or "https", not %q`, a.Scheme))
	}
	return errors.Join(errs...)
}

// validateTimes requires that a scrape ends before the next one begins.
func (a *scrapeArgs) validateTimes() error {
	switch {
	case a.ScrapeInterval < time.Millisecond:
		return fmt.Errorf("scrape_interval must be at least 1ms, not %s", a.ScrapeInterval)
	case a.ScrapeTimeout <= 0:
		return fmt.Errorf("scrape_timeout must be greater than 0, not %s", a.ScrapeTimeout)
	case a.ScrapeTimeout > a.ScrapeInterval:
		return fmt.Errorf("scrape_timeout (%s) must not be greater than scrape_interval (%s); set scrape_timeout to %[2]s or less", a.ScrapeTimeout, a.ScrapeInterval)
	}
	return nil
}

// validateProtocols puts protobuf first where native histograms are wanted:
// no other format has them.
func (a *scrapeArgs) validateProtocols() error {
	isDefault := slices.Equal(a.ScrapeProtocols, textProtocols())
	if a.EnableProtobufNegotiation {
		if !isDefault {
			return errors.New("enable_protobuf_negotiation and scrape_protocols must not both be set: remove the former, which is deprecated")
		}
		a.ScrapeNativeHistograms = true
	}
	if a.ScrapeNativeHistograms && isDefault {
		a.ScrapeProtocols = append([]string{string(scrape.PrometheusProto)}, textProtocols()...)
	}
	if a.ScrapeNativeHistograms && !slices.Contains(a.ScrapeProtocols, string(scrape.PrometheusProto)) {
		return errors.New(`scrape_native_histograms needs "PrometheusProto" in scrape_protocols`)
	}
	known := append([]string{string(scrape.PrometheusProto)}, textProtocols()...)
	for i, p := range a.ScrapeProtocols {
		if !slices.Contains(known, p) {
			return fmt.Errorf("scrape_protocols has an unknown protocol %q: use one of %s", p, strings.Join(known, ", "))
		}
		if slices.Contains(a.ScrapeProtocols[:i], p) {
			return fmt.Errorf("scrape_protocols has %q twice", p)
		}
	}
	if p := a.ScrapeFallbackProtocol; p != "" && !slices.Contains(known, p) {
		return fmt.Errorf("scrape_fallback_protocol %q is unknown: use one of %s", p, strings.Join(known, ", "))
	}
	return nil
}

// validateNames fills in the escaping scheme, which follows from the validation
// scheme, and refuses to ask targets for names that would not be valid.
func (a *scrapeArgs) validateNames() error {
	utf8 := model.UTF8Validation.String()
	switch a.MetricNameValidationScheme {
	case utf8, model.LegacyValidation.String():
	default:
		return fmt.Errorf("metric_name_validation_scheme must be %q or %q, not %q",
			utf8, model.LegacyValidation, a.MetricNameValidationScheme)
	}
	if a.MetricNameEscapingScheme == "" {
		a.MetricNameEscapingScheme = model.EscapeUnderscores
		if a.MetricNameValidationScheme == utf8 {
			a.MetricNameEscapingScheme = model.AllowUTF8
		}
	}
	known := []string{model.AllowUTF8, model.EscapeUnderscores, model.EscapeDots, model.EscapeValues}
	if !slices.Contains(known, a.MetricNameEscapingScheme) {
		return fmt.Errorf("metric_name_escaping_scheme %q is unknown: use one of %s",
			a.MetricNameEscapingScheme, strings.Join(known, ", "))
	}
	if a.MetricNameEscapingScheme == model.AllowUTF8 && a.MetricNameValidationScheme != utf8 {
		return fmt.Errorf("metric_name_escaping_scheme %q needs metric_name_validation_scheme %q", model.AllowUTF8, utf8)
	}
	return nil
}

// clustered reports whether the targets are shared among the nodes of a cluster.
func (a *scrapeArgs) clustered() bool { return a.Clustering != nil && a.Clustering.Enabled }

// config translates the arguments for the engine.
func (a *scrapeArgs) config(env component.Env) scrape.Config {
	c := scrape.Config{
		JobName: a.JobName, Interval: a.ScrapeInterval, Timeout: a.ScrapeTimeout,
		MetricsPath: a.MetricsPath, Scheme: a.Scheme, Params: a.Params,
		HTTP: a.HTTP.Prometheus(), Compression: a.EnableCompression,
		Fallback: scrape.Protocol(a.ScrapeFallbackProtocol),
		Rules: walk.Rules{
			HonorLabels: a.HonorLabels, HonorTimestamps: a.HonorTimestamps,
			TrackTimestamps: a.TrackTimestampsStaleness, HonorMetadata: a.HonorMetadata,
			TypeAndUnitLabels: a.EnableTypeAndUnitLabels, StartTimestamps: a.StartTimestampZeroIngestion,
			ExtraMetrics: a.ExtraMetrics,
			Limits: walk.Limits{
				BodyBytes: int64(a.BodySizeLimit), Samples: a.SampleLimit,
				Labels: a.LabelLimit, LabelNameLength: a.LabelNameLengthLimit, LabelValueLength: a.LabelValueLengthLimit,
				Buckets: a.NativeHistogramBucketLimit, BucketFactor: a.NativeHistogramMinBucketFactor,
			},
		},
		TargetLimit:      a.TargetLimit,
		NativeHistograms: a.ScrapeNativeHistograms, ClassicHistograms: a.ScrapeClassicHistograms,
		ConvertToNHCB: a.ConvertClassicHistogramsToNHCB,
		FailureLog:    a.ScrapeFailureLogFile,
		Self:          env.Self, View: env.View, Lease: env.Lease, Log: env.Log, Registry: env.Registry, Dial: env.Dial,
		Tell: env.Tell, Reaches: env.Reaches,
		Live: env.Live, Flow: env.Flow,
	}
	if c.JobName == "" {
		c.JobName = env.ID
	}
	if !a.clustered() {
		c.View, c.Lease = cell.New(owner.Alone(env.Self)), nil
	}
	for _, p := range a.ScrapeProtocols {
		c.Protocols = append(c.Protocols, scrape.Protocol(p))
	}
	c.ValidationScheme = model.LegacyValidation
	if a.MetricNameValidationScheme == model.UTF8Validation.String() {
		c.ValidationScheme = model.UTF8Validation
	}
	// Validate has checked the name; the zero scheme is not reached.
	c.EscapingScheme, _ = model.ToEscapingScheme(a.MetricNameEscapingScheme)
	return c
}

// prometheusScrape is one prometheus.scrape.
type prometheusScrape struct {
	env  component.Env
	pool *scrape.Pool

	primed atomic.Bool // has had targets, or needs none because it shares them with nobody

	mu        sync.Mutex
	forwardTo []telemetry.Sink
	clustered bool
}

// newScrape builds a prometheus.scrape.
func newScrape(env component.Env, a scrapeArgs) (component.Instance[scrapeArgs], error) {
	pool, err := scrape.New(a.config(env))
	if err != nil {
		return nil, err
	}
	c := &prometheusScrape{env: env, pool: pool}
	c.apply(a)
	return c, nil
}

// Run scrapes until ctx is cancelled.
func (c *prometheusScrape) Run(ctx context.Context) error { return c.pool.Run(ctx) }

// Update replaces the arguments. Targets that stay keep what is remembered of
// them.
func (c *prometheusScrape) Update(a scrapeArgs) error {
	if err := c.pool.Update(a.config(c.env)); err != nil {
		return err
	}
	c.apply(a)
	return nil
}

// apply hands receivers and targets to the pool. A list of the same receivers
// stays the same sink, so that series need not be resolved again.
func (c *prometheusScrape) apply(a scrapeArgs) {
	c.mu.Lock()
	c.clustered = a.clustered()
	sinks := args.Sinks(a.ForwardTo)
	if c.forwardTo == nil || !slices.Equal(sinks, c.forwardTo) {
		c.forwardTo = append([]telemetry.Sink{}, sinks...)
		c.pool.SetSink(telemetry.Fanout(c.forwardTo))
	}
	c.mu.Unlock()
	c.pool.SetTargets(args.Targets(a.Targets))
	if len(a.Targets) > 0 || !a.clustered() {
		c.primed.Store(true)
	}
}

// Primed reports whether there have been targets to share.
func (c *prometheusScrape) Primed() bool { return c.primed.Load() }

// Told takes a note about targets that another node took over.
func (c *prometheusScrape) Told(from string, note []byte) { c.pool.Told(from, note) }

// scrapeDebug is what the component's page shows.
type scrapeDebug struct {
	Targets []scrapeTarget `alloy:"target,block,optional"`
}

type scrapeTarget struct {
	Job                string            `alloy:"job,attr"`
	URL                string            `alloy:"url,attr"`
	Health             string            `alloy:"health,attr"`
	Labels             map[string]string `alloy:"labels,attr"`
	LastError          string            `alloy:"last_error,attr,optional"`
	LastScrape         time.Time         `alloy:"last_scrape,attr"`
	LastScrapeDuration time.Duration     `alloy:"last_scrape_duration,attr,optional"`
}

// DebugInfo shows each target and how its last scrape went.
func (c *prometheusScrape) DebugInfo() any {
	var d scrapeDebug
	for _, t := range c.pool.Targets() {
		d.Targets = append(d.Targets, scrapeTarget{
			Job: t.Job, URL: t.URL, Health: t.Health, Labels: t.Labels.Map(),
			LastError: t.Err, LastScrape: t.At, LastScrapeDuration: t.Duration,
		})
	}
	return d
}

// Targets returns the targets: see component.Scraper.
func (c *prometheusScrape) Targets() []status.Target {
	c.mu.Lock()
	clustered := c.clustered
	c.mu.Unlock()
	list := c.pool.Targets()
	for i := range list {
		list[i].Component, list[i].Clustered = c.env.ID, clustered
	}
	return list
}

// Scrapes returns the recent scrapes of a target: see component.Scraper.
func (c *prometheusScrape) Scrapes(key owner.Key) []status.Scrape { return c.pool.Scrapes(key) }

// Discovered returns the labels that a target came with: see component.Scraper.
func (c *prometheusScrape) Discovered(key owner.Key) (telemetry.Labels, bool) {
	return c.pool.Discovered(key)
}

// byteSize is a number of bytes, written as a number or as a string with a
// unit: 1048576, "1MiB", "1MB". Units are powers of 1024, whatever their name.
type byteSize int64

// UnmarshalText parses a size.
func (b *byteSize) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "BKMGTi")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]int{
		"": 0, "B": 0, "KB": 10, "KiB": 10, "MB": 20, "MiB": 20, "GB": 30, "GiB": 30, "TB": 40, "TiB": 40,
	}[string(text)[len(digits):]]
	if err != nil || !known || n < 0 || n<<shift>>shift != n {
		return fmt.Errorf(`%q is not a size: use a number of bytes or a unit, such as "10MiB"`, text)
	}
	*b = byteSize(n << shift)
	return nil
}

// MarshalText writes the number of bytes.
func (b byteSize) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(b), 10), nil }
