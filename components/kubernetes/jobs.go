package kubernetes

import (
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/kube/operator"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/jobs"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A translation makes the jobs that are scraped of those that objects ask for. A
// job that has not changed is the same pointer as before, and so are settings.
type translation struct {
	mu      sync.Mutex
	options scrapeOptions
	list    []*operator.Job
	made    map[string]translated // by the name of the job
}

// translated is a job with what it was made of.
type translated struct {
	from *operator.Job
	to   *jobs.Job
}

// publish returns the jobs for a list of the engine's.
func (t *translation) publish(list []*operator.Job) []*jobs.Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = list
	return t.translateLocked()
}

// with returns the jobs for the last list under other options; false if there
// was none, or the options are the same.
func (t *translation) with(options scrapeOptions) ([]*jobs.Job, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if options == t.options {
		return nil, false
	}
	t.options, t.made = options, nil
	if t.list == nil {
		return nil, false
	}
	return t.translateLocked(), true
}

// latest returns the last list.
func (t *translation) latest() []*operator.Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

// translateLocked translates list. It needs mu.
func (t *translation) translateLocked() []*jobs.Job {
	made := make(map[string]translated, len(t.list))
	out := make([]*jobs.Job, 0, len(t.list))
	for _, j := range t.list {
		before := t.made[j.Name]
		if before.from != j {
			before.to = translate(j, before, t.options)
			before.from = j
		}
		made[j.Name] = before
		out = append(out, before.to)
	}
	t.made = made
	return out
}

// translate returns the job for j. What the former one was made of may still
// count.
func translate(j *operator.Job, before translated, o scrapeOptions) *jobs.Job {
	out := &jobs.Job{
		Name:    j.Name,
		Targets: make([]telemetry.Target, len(j.Targets)),
		Foreign: make([]owner.Key, len(j.Targets)),
	}
	if before.from != nil && before.from.Scrape == j.Scrape {
		out.Settings = before.to.Settings
	} else {
		out.Settings = &jobs.Settings{Scrape: settingsOf(j.Scrape, o), Rules: j.Scrape.MetricRelabelConfigs}
	}
	for i := range j.Targets {
		out.Targets[i] = j.Targets[i].Labels
		out.Foreign[i] = owner.DiscoveredKey(j.Targets[i].Own)
	}
	return out
}

// settingsOf returns the settings of scrapes in c, with what only the component
// says.
func settingsOf(c *config.ScrapeConfig, o scrapeOptions) scrape.Config {
	out := scrape.Config{
		JobName: c.JobName, Scheme: c.Scheme, MetricsPath: c.MetricsPath, Params: c.Params,
		Interval: time.Duration(c.ScrapeInterval), Timeout: time.Duration(c.ScrapeTimeout),
		HTTP: c.HTTPClientConfig, Compression: c.EnableCompression,
		Fallback: scrape.Protocol(c.ScrapeFallbackProtocol),
		Rules: walk.Rules{
			ValidationScheme: c.MetricNameValidationScheme,
			HonorLabels:      c.HonorLabels, HonorTimestamps: c.HonorTimestamps, TrackTimestamps: c.TrackTimestampsStaleness,
			HonorMetadata: o.HonorMetadata, TypeAndUnitLabels: o.TypeAndUnitLabels, StartTimestamps: o.StartTimestamps,
			ExtraMetrics: c.ExtraScrapeMetricsEnabled(),
			Limits: walk.Limits{
				BodyBytes: int64(c.BodySizeLimit), Samples: c.SampleLimit,
				Labels: c.LabelLimit, LabelNameLength: c.LabelNameLengthLimit, LabelValueLength: c.LabelValueLengthLimit,
				Buckets: c.NativeHistogramBucketLimit, BucketFactor: c.NativeHistogramMinBucketFactor,
			},
		},
		TargetLimit:       c.TargetLimit,
		NativeHistograms:  c.ScrapeNativeHistogramsEnabled(),
		ClassicHistograms: c.AlwaysScrapeClassicHistogramsEnabled(),
		ConvertToNHCB:     c.ConvertClassicHistogramsToNHCBEnabled(),
	}
	for _, p := range c.ScrapeProtocols {
		out.Protocols = append(out.Protocols, scrape.Protocol(p))
	}
	// The library has checked the name; the zero scheme is not reached.
	out.EscapingScheme, _ = model.ToEscapingScheme(c.MetricNameEscapingScheme)
	return out
}
