package kubernetes

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/kube/operator"
)

// operatorArgs are the arguments of the prometheus.operator kinds.
type operatorArgs struct {
	Client     Client          `alloy:"client,block,optional"`
	ForwardTo  []args.Receiver `alloy:"forward_to,attr"`
	Namespaces []string        `alloy:"namespaces,attr,optional"` // of objects; none: all

	// KubernetesRole is what the services of service monitors are discovered by:
	// endpoints or endpointslice. For the other kinds it has no effect.
	KubernetesRole string `alloy:"kubernetes_role,attr,optional"`

	Selector   *selector     `alloy:"selector,block,optional"` // of objects; none: all
	Clustering *clustering   `alloy:"clustering,block,optional"`
	Rules      []*args.Rule  `alloy:"rule,block,optional"` // of targets, after those of the object
	Scrape     scrapeOptions `alloy:"scrape,block,optional"`

	// InformerSyncTimeout is how long the API server may take to answer before the
	// component is unhealthy. It goes on trying.
	InformerSyncTimeout time.Duration `alloy:"informer_sync_timeout,attr,optional"`
}

// serviceArgs are the arguments of prometheus.operator.servicemonitors.
type serviceArgs struct {
	Operator operatorArgs `alloy:",squash"`

	// AllowFiles lets objects name files of this machine, such as certificates.
	AllowFiles bool `alloy:"allow_arbitrary_file_access,attr,optional"`
}

// clustering is the block clustering.
type clustering struct {
	Enabled bool `alloy:"enabled,attr"`
}

// scrapeOptions is the block scrape: what objects leave open.
type scrapeOptions struct {
	Interval    time.Duration `alloy:"default_scrape_interval,attr,optional"`
	Timeout     time.Duration `alloy:"default_scrape_timeout,attr,optional"`
	SampleLimit uint          `alloy:"default_sample_limit,attr,optional"`

	NativeHistograms  bool    `alloy:"scrape_native_histograms,attr,optional"`
	ClassicHistograms bool    `alloy:"scrape_classic_histograms,attr,optional"` // beside native ones
	ConvertToNHCB     bool    `alloy:"convert_classic_histograms_to_nhcb,attr,optional"`
	BucketLimit       uint    `alloy:"native_histogram_bucket_limit,attr,optional"`
	BucketFactor      float64 `alloy:"native_histogram_min_bucket_factor,attr,optional"`

	HonorMetadata     bool `alloy:"honor_metadata,attr,optional"`
	TypeAndUnitLabels bool `alloy:"enable_type_and_unit_labels,attr,optional"`
	StartTimestamps   bool `alloy:"start_timestamp_zero_ingestion,attr,optional"`
}

// selector is the block selector: which objects count, by their labels.
type selector struct {
	MatchLabels map[string]string `alloy:"match_labels,attr,optional"`
	Expressions []expression      `alloy:"match_expression,block,optional"`
}

// expression is a condition on one label.
type expression struct {
	Key      string   `alloy:"key,attr"`
	Operator string   `alloy:"operator,attr"` // In, NotIn, Exists or DoesNotExist
	Values   []string `alloy:"values,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *operatorArgs) SetToDefault() {
	*a = operatorArgs{KubernetesRole: "endpoints", InformerSyncTimeout: time.Minute}
	a.Client.SetToDefault()
	a.Scrape.SetToDefault()
}

// SetToDefault sets the defaults of an object's intervals.
func (s *scrapeOptions) SetToDefault() {
	*s = scrapeOptions{Interval: time.Minute, Timeout: 10 * time.Second}
}

// SetToDefault sets the documented defaults.
func (a *serviceArgs) SetToDefault() {
	*a = serviceArgs{}
	a.Operator.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *serviceArgs) Validate() error { return a.Operator.Validate() }

// Validate reports everything that is wrong, joined.
func (a *operatorArgs) Validate() error {
	errs := []error{a.Client.Validate(), a.Scrape.validate()}
	if a.KubernetesRole != "endpoints" && a.KubernetesRole != "endpointslice" {
		errs = append(errs, fmt.Errorf(`kubernetes_role must be "endpoints" or "endpointslice", not %q`, a.KubernetesRole))
	}
	if a.InformerSyncTimeout <= 0 {
		errs = append(errs, errors.New(`informer_sync_timeout must be greater than 0, for instance "1m"`))
	}
	if _, err := a.Selector.labels(); err != nil {
		errs = append(errs, fmt.Errorf("selector: %w", err))
	}
	return errors.Join(errs...)
}

// validate requires that a scrape ends before the next one begins.
func (s *scrapeOptions) validate() error {
	switch {
	case s.Interval < time.Millisecond:
		return fmt.Errorf("scrape > default_scrape_interval must be at least 1ms, not %s", s.Interval)
	case s.Timeout <= 0:
		return fmt.Errorf("scrape > default_scrape_timeout must be greater than 0, not %s", s.Timeout)
	case s.Timeout > s.Interval:
		return fmt.Errorf("scrape > default_scrape_timeout (%s) must not be greater than default_scrape_interval (%s)", s.Timeout, s.Interval)
	}
	return nil
}

// labels returns s for the library; nil selects everything.
func (s *selector) labels() (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	l := metav1.LabelSelector{MatchLabels: s.MatchLabels}
	for _, e := range s.Expressions {
		l.MatchExpressions = append(l.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: e.Key, Operator: metav1.LabelSelectorOperator(e.Operator), Values: e.Values,
		})
	}
	return metav1.LabelSelectorAsSelector(&l)
}

// clustered reports whether the targets are shared among the nodes of a cluster.
func (a *operatorArgs) clustered() bool { return a.Clustering != nil && a.Clustering.Enabled }

// defaults translates what objects leave open.
func (s *scrapeOptions) defaults() operator.Defaults {
	return operator.Defaults{
		Interval: s.Interval, Timeout: s.Timeout, SampleLimit: s.SampleLimit,
		NativeHistograms: s.NativeHistograms, ClassicHistograms: s.ClassicHistograms, ConvertToNHCB: s.ConvertToNHCB,
		BucketLimit: s.BucketLimit, BucketFactor: s.BucketFactor,
	}
}
