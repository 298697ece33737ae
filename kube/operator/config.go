package operator

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/relabel"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
)

// A Kind of custom resource, as its API calls it, in the plural.
type Kind string

// The kinds that an Engine follows.
const (
	PodMonitors     Kind = "podmonitors"
	ServiceMonitors Kind = "servicemonitors"
	Probes          Kind = "probes"
	ScrapeConfigs   Kind = "scrapeconfigs"
)

// Config says which objects an Engine follows and what it adds to them.
type Config struct {
	Kind       Kind
	API        *rest.Config      // the API server; the Engine sets its own rate limits
	Namespaces []string          // where objects are looked for; empty: all
	Selector   labels.Selector   // of objects, by their labels; nil: all
	Rules      []*relabel.Config // of targets, after those of the object
	Scrape     Defaults

	// Role is what service monitors are discovered by: endpoints or
	// endpointslice; empty is endpoints.
	Role string

	// FileAccess lets objects name files of this machine: certificates,
	// credentials and lists of targets.
	FileAccess bool

	// SyncTimeout is how long the API server may take before Health says so;
	// zero is a minute. The Engine keeps trying.
	SyncTimeout time.Duration

	Log      *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil: metrics are kept but not shown; Update ignores it

	// Publish takes every list of jobs, in the order of their names. It must
	// not change it.
	Publish func(jobs []*Job)
}

// Defaults are the settings of scrapes that objects may leave out.
type Defaults struct {
	Interval    time.Duration // zero is a minute
	Timeout     time.Duration // zero is 10 s, or Interval where that is less
	SampleLimit uint          // zero: none

	NativeHistograms  bool
	ClassicHistograms bool // beside native ones
	ConvertToNHCB     bool

	BucketLimit  uint    // of a native histogram; zero: none
	BucketFactor float64 // least growth between buckets; zero: as it comes
}

const (
	defaultInterval    = time.Minute
	defaultTimeout     = 10 * time.Second
	defaultSyncTimeout = time.Minute
)

// Validate reports everything that is wrong with c, joined. It changes nothing.
func (c *Config) Validate() error {
	var errs []error
	switch c.Kind {
	case PodMonitors, ServiceMonitors, Probes, ScrapeConfigs:
	default:
		errs = append(errs, fmt.Errorf("unknown kind of custom resource %q", c.Kind))
	}
	switch c.Role {
	case "", "endpoints", "endpointslice":
	default:
		errs = append(errs, fmt.Errorf("unknown Kubernetes role %q: use endpoints or endpointslice", c.Role))
	}
	if c.API == nil {
		errs = append(errs, errors.New("API server is not set"))
	}
	if c.Publish == nil {
		errs = append(errs, errors.New("publish is not set"))
	}
	return errors.Join(errs...)
}
