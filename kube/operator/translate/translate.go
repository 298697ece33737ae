// Package translate turns one custom resource of the Prometheus operator into
// scrape configurations.
//
//	object ─► checks of the operator ─► its generator ─► YAML ─► Prometheus' own reader
//
// The operator's generator writes a whole configuration of a Prometheus server;
// what is read of it are the scrape configurations. It is asked for one object
// at a time, so that an error belongs to that object. Its checks name the field.
//
// What an object refers to (secrets, config maps) is asked of a Lookup, which
// answers from memory; each question is noted, so that the object can be
// translated again when the answer changes.
//
// Invariant: a result depends on the object, the Config and the answers only.
// Invariant: rules that are equal are the same pointer: thousands of objects
// share most of theirs.
//
// It does no I/O, and follows nothing.
package translate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	registry "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/relabel"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// Config says what objects are given beside what they ask for.
type Config struct {
	Role       string            // of discovery by services: endpoints or endpointslice
	Rules      []*relabel.Config // of targets, after those of the object
	FileAccess bool              // objects may name files of this machine

	Interval, Timeout time.Duration // of objects that name none
	SampleLimit       uint          // zero: none
	NativeHistograms  bool
	ClassicHistograms bool
	ConvertToNHCB     bool
	BucketLimit       uint    // zero: none
	BucketFactor      float64 // zero: as it comes
}

// A Translator translates objects, one at a time.
type Translator struct {
	conf    Config
	reader  reader
	metrics *operator.Metrics // the generator wants them; nobody sees them
}

// New returns a Translator.
func New(cfg Config) *Translator {
	return &Translator{
		conf:    cfg,
		reader:  newReader(cfg),
		metrics: operator.NewMetrics(registry.NewRegistry()),
	}
}

// A Result is what an object was translated to.
type Result struct {
	Scrapes []*config.ScrapeConfig // with unique names, in the order of the endpoints
	Refs    []Ref                  // what was asked of the Lookup, also after an error
}

// Translate translates a *PodMonitor, *ServiceMonitor, *Probe or *ScrapeConfig.
// An error names the field; the result then has no scrape configurations.
func (t *Translator) Translate(obj runtime.Object, find Lookup) (res Result, err error) {
	defer func() {
		// The generator panics where the operator has checked before; it must
		// not take other objects with it.
		if r := recover(); r != nil {
			res.Scrapes, err = nil, fmt.Errorf("translate object: the generator gave up: %v", r)
		}
	}()
	s := newStore(find)
	text, err := t.generate(obj, s)
	res.Refs = s.asked
	if err != nil {
		return res, err
	}
	res.Scrapes, err = t.reader.read(text)
	if _, ok := obj.(*monitoringv1alpha1.ScrapeConfig); ok && len(res.Scrapes) == 1 {
		res.Scrapes = split(res.Scrapes[0])
	}
	return res, err
}

// generate checks obj and returns a Prometheus configuration for it.
func (t *Translator) generate(obj runtime.Object, s *store) ([]byte, error) {
	o, err := t.check(obj, s)
	if err != nil {
		return nil, err
	}
	g, err := prometheus.NewConfigGenerator(slog.New(slog.DiscardHandler), o.server,
		prometheus.WithInlineTLSConfig(), prometheus.WithEndpointSliceSupport(), prometheus.WithoutVersionCheck())
	if err != nil {
		return nil, fmt.Errorf("set up generator: %w", err)
	}
	return g.GenerateServerConfiguration(o.server, o.services, o.pods, o.probes, o.scrapes, s.builder, nil, nil, nil, nil)
}

// An order is what the generator is asked for: one of the maps has one object.
type order struct {
	server   *monitoringv1.Prometheus
	services map[string]*monitoringv1.ServiceMonitor
	pods     map[string]*monitoringv1.PodMonitor
	probes   map[string]*monitoringv1.Probe
	scrapes  map[string]*monitoringv1alpha1.ScrapeConfig
}

// check applies the operator's checks, which also load what obj refers to.
func (t *Translator) check(obj runtime.Object, s *store) (order, error) {
	o := order{server: t.server(obj)}
	// The recorder has room for the one event of the one object.
	events := operator.NewFakeRecorder(1, o.server)
	sel, err := prometheus.NewResourceSelector(slog.New(slog.DiscardHandler), o.server, s.builder, nil, t.metrics, events)
	if err != nil {
		return o, fmt.Errorf("set up checks: %w", err)
	}
	ctx := context.Background()
	list := func(_ string, _ labels.Selector, take cache.AppendFunc) error {
		take(obj)
		return nil
	}
	switch v := obj.(type) {
	case *monitoringv1.PodMonitor:
		found, err := sel.SelectPodMonitors(ctx, list)
		o.pods = found.ValidResources()
		return o, verdict(found, err)
	case *monitoringv1.ServiceMonitor:
		found, err := sel.SelectServiceMonitors(ctx, list)
		o.services = found.ValidResources()
		return o, verdict(found, err)
	case *monitoringv1.Probe:
		found, err := sel.SelectProbes(ctx, list)
		o.probes = found.ValidResources()
		return o, verdict(found, err)
	case *monitoringv1alpha1.ScrapeConfig:
		if err := t.checkFiles(v); err != nil {
			return o, err
		}
		found, err := sel.SelectScrapeConfigs(ctx, list)
		o.scrapes = found.ValidResources()
		return o, verdict(found, err)
	}
	panic(fmt.Sprintf("BUG: %T is not a kind that can be translated", obj))
}

// server returns the Prometheus server that the generator is told to write for:
// one in the namespace of the object, where the scrape class that the object
// names is there and says nothing.
func (t *Translator) server(obj runtime.Object) *monitoringv1.Prometheus {
	role := monitoringv1.EndpointsRole
	if t.conf.Role == "endpointslice" {
		role = monitoringv1.EndpointSliceRole
	}
	p := &monitoringv1.Prometheus{}
	p.Namespace, p.Name = namespaceOf(obj), "divvy"
	p.Spec.ServiceDiscoveryRole = &role
	p.Spec.ScrapeInterval = duration(t.conf.Interval)
	p.Spec.ScrapeTimeout = duration(t.conf.Timeout)
	p.Spec.ArbitraryFSAccessThroughSMs.Deny = !t.conf.FileAccess
	if name := classOf(obj); name != "" {
		p.Spec.ScrapeClasses = []monitoringv1.ScrapeClass{{Name: name}}
	}
	return p
}
