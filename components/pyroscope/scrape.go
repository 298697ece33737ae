package pyroscope

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/profiles/scrape"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Scrape is the kind pyroscope.scrape.
func Scrape() component.Kind {
	return component.Of[scrapeArguments, component.None]("pyroscope.scrape", newScrape).Shows(live.Profiles)
}

// defaultLasting is the default of delta_profiling_duration. It stands for a
// second less than scrape_interval, whatever that is.
const defaultLasting = 14 * time.Second

// scrapeArguments are the arguments of pyroscope.scrape.
type scrapeArguments struct {
	Targets   []args.Target `alloy:"targets,attr"`
	ForwardTo []Receiver    `alloy:"forward_to,attr"`

	JobName        string        `alloy:"job_name,attr,optional"` // empty: the component's ID
	Params         url.Values    `alloy:"params,attr,optional"`
	ScrapeInterval time.Duration `alloy:"scrape_interval,attr,optional"`
	ScrapeTimeout  time.Duration `alloy:"scrape_timeout,attr,optional"` // beyond the time that a profile lasts
	Scheme         string        `alloy:"scheme,attr,optional"`

	// DeltaDuration is how long profiles with delta = true last, cut to whole
	// seconds, for pprof understands no others.
	DeltaDuration time.Duration `alloy:"delta_profiling_duration,attr,optional"`

	HTTP args.HTTPClient `alloy:",squash"`

	Profiling  profilingConfig   `alloy:"profiling_config,block,optional"`
	Clustering *scrapeClustering `alloy:"clustering,block,optional"`
}

// scrapeClustering is the block clustering.
type scrapeClustering struct {
	Enabled bool `alloy:"enabled,attr"`
}

// SetToDefault sets the documented defaults.
func (a *scrapeArguments) SetToDefault() {
	*a = scrapeArguments{
		Scheme:         "http",
		ScrapeInterval: 15 * time.Second,
		ScrapeTimeout:  18 * time.Second,
		DeltaDuration:  defaultLasting,
	}
	a.HTTP.SetToDefault()
	a.Profiling.SetToDefault()
}

// Validate reports every combination of arguments that cannot be, joined.
func (a *scrapeArguments) Validate() error {
	errs := []error{a.validateTimes(), a.HTTP.Validate()}
	if a.Scheme != "http" && a.Scheme != "https" {
		errs = append(errs, fmt.Errorf(`scheme must be "http" or "https", not %q`, a.Scheme))
	}
	seen := map[string]bool{}
	for _, c := range a.Profiling.Custom {
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("profile.custom %q is there twice: give each block a label of its own", c.Name))
		}
		seen[c.Name] = true
	}
	return errors.Join(errs...)
}

// validateTimes requires that a profile which lasts ends before the next one
// begins.
func (a *scrapeArguments) validateTimes() error {
	switch {
	case a.ScrapeTimeout <= 0:
		return fmt.Errorf("scrape_timeout must be greater than 0, not %s", a.ScrapeTimeout)
	case a.ScrapeInterval < time.Millisecond:
		return fmt.Errorf("scrape_interval must be at least 1ms, not %s", a.ScrapeInterval)
	}
	if !slices.ContainsFunc(a.Profiling.types(), func(t scrape.Type) bool { return t.Lasts }) {
		return nil
	}
	switch {
	case a.ScrapeInterval < 2*time.Second:
		return fmt.Errorf("scrape_interval must be at least 2s where a profile has delta = true, not %s", a.ScrapeInterval)
	case a.DeltaDuration == defaultLasting:
		return nil
	case a.DeltaDuration <= time.Second:
		return fmt.Errorf("delta_profiling_duration must be longer than 1s, not %s", a.DeltaDuration)
	case a.DeltaDuration > a.ScrapeInterval-time.Second:
		return fmt.Errorf("delta_profiling_duration (%s) must be at least 1s shorter than scrape_interval (%s)", a.DeltaDuration, a.ScrapeInterval)
	}
	return nil
}

// clustered reports whether the targets are shared among the nodes of a cluster.
func (a *scrapeArguments) clustered() bool { return a.Clustering != nil && a.Clustering.Enabled }

// config translates the arguments for the engine.
func (a *scrapeArguments) config(env component.Env) scrape.Config {
	c := scrape.Config{
		JobName: a.JobName, Interval: a.ScrapeInterval, Timeout: a.ScrapeTimeout, Scheme: a.Scheme,
		PathPrefix: a.Profiling.PathPrefix, Params: a.Params, HTTP: a.HTTP.Prometheus(), Types: a.Profiling.types(),
		Drain: env.Drain, Self: env.Self, View: env.View, Lease: env.Lease, Log: env.Log, Registry: env.Registry,
		Live: env.Live, Flow: env.Flow, Dial: env.Dial, Tell: env.Tell, Reaches: env.Reaches,
	}
	if a.DeltaDuration != defaultLasting {
		c.Lasting = a.DeltaDuration
	}
	if c.JobName == "" {
		c.JobName = env.ID
	}
	if !a.clustered() {
		c.View, c.Lease = cell.New(owner.Alone(env.Self)), nil
	}
	return c
}

// A pyroscopeScrape is one pyroscope.scrape.
type pyroscopeScrape struct {
	env  component.Env
	pool *scrape.Pool

	primed atomic.Bool // has had targets, or needs none because it shares them with nobody

	mu        sync.Mutex
	forwardTo []profiles.Sink
	clustered bool
}

// newScrape builds a pyroscope.scrape.
func newScrape(env component.Env, a scrapeArguments) (component.Instance[scrapeArguments], error) {
	pool, err := scrape.New(a.config(env))
	if err != nil {
		return nil, err
	}
	c := &pyroscopeScrape{env: env, pool: pool}
	c.apply(a)
	return c, nil
}

// Run takes profiles until ctx is done, and finishes those in flight.
func (c *pyroscopeScrape) Run(ctx context.Context) error { return c.pool.Run(ctx) }

// Update replaces the arguments. Targets that stay keep what is remembered of
// them.
func (c *pyroscopeScrape) Update(a scrapeArguments) error {
	if err := c.pool.Update(a.config(c.env)); err != nil {
		return err
	}
	c.apply(a)
	return nil
}

// apply hands receivers and targets to the pool.
func (c *pyroscopeScrape) apply(a scrapeArguments) {
	c.mu.Lock()
	c.clustered = a.clustered()
	sinks := Sinks(a.ForwardTo)
	if c.forwardTo == nil || !slices.Equal(sinks, c.forwardTo) {
		c.forwardTo = append([]profiles.Sink{}, sinks...)
		c.pool.SetSink(profiles.Fanout(c.forwardTo))
	}
	c.mu.Unlock()
	c.pool.SetTargets(args.Targets(a.Targets))
	if len(a.Targets) > 0 || !a.clustered() {
		c.primed.Store(true)
	}
}

// Primed reports whether there have been targets to share.
func (c *pyroscopeScrape) Primed() bool { return c.primed.Load() }

// Told takes what another node hands over with its targets.
func (c *pyroscopeScrape) Told(from string, note []byte) { c.pool.Told(from, note) }

// isClustered reports whether the targets are shared.
func (c *pyroscopeScrape) isClustered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clustered
}

// Targets returns the targets: see component.Scraper.
func (c *pyroscopeScrape) Targets() []status.Target {
	clustered, list := c.isClustered(), c.pool.Targets()
	for i := range list {
		list[i].Component, list[i].Clustered = c.env.ID, clustered
	}
	return list
}

// Census returns which targets there are, in short: see component.Scraper.
func (c *pyroscopeScrape) Census() status.Census {
	census := c.pool.Census()
	census.Component, census.Clustered = c.env.ID, c.isClustered()
	return census
}

// Scrapes returns the recent slots of a target: see component.Scraper.
func (c *pyroscopeScrape) Scrapes(key owner.Key) []status.Scrape { return c.pool.Scrapes(key) }

// Discovered returns the labels that a target came with: see component.Scraper.
func (c *pyroscopeScrape) Discovered(key owner.Key) (telemetry.Labels, bool) {
	return c.pool.Discovered(key)
}

// Origins returns the labels that targets came with: see component.Scraper.
func (c *pyroscopeScrape) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	return c.pool.Origins(wanted)
}

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

// DebugInfo shows each profile of each target of this node, and how the last
// one went.
func (c *pyroscopeScrape) DebugInfo() any {
	var d scrapeDebug
	for _, t := range c.pool.Profiles() {
		d.Targets = append(d.Targets, scrapeTarget{
			Job: t.Job, URL: t.URL, Health: t.Health, Labels: t.Labels.Map(),
			LastError: t.Err, LastScrape: t.At, LastScrapeDuration: t.Duration,
		})
	}
	return d
}
