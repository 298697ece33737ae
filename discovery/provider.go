// Package discovery tells where targets come from. It runs the discoverers of
// the Prometheus libraries, one Provider for each discovery component, and
// turns the target groups that they send into lists of targets.
//
//	discoverer ─► groups by source ─► list of targets, at most every 5 s ─► Publish
//
// A discoverer sends groups as it learns of them; a group without targets
// withdraws the one with the same source. A list is published when it differs
// from the last one, and once, possibly empty, when nothing was found by the
// time that the first list is due. After an Update the old list stays until
// the new discoverer has answered: an answer that takes long must not end the
// series of targets that are still there. If it is silent for six times that
// long, it has found nothing.
//
// Invariant: a list is a function of the groups: sorted by source, then in the
// order of the group. The same groups in another order are no news.
// Invariant: Publish is called by one goroutine at a time, never after Run has
// returned.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/telemetry"
)

// Config says what a Provider follows.
type Config struct {
	Source   sd.Config // which discoverer, and how it is set up
	Name     string    // label "config" of the refresh metrics
	Log      *slog.Logger
	Registry prometheus.Registerer      // the caller empties it after Run
	Publish  func(t []telemetry.Target) // takes each list; it must not change it
	Every    time.Duration              // least time between two lists; 0: 5 s
}

const (
	defaultEvery = 5 * time.Second

	// settle is how long a discoverer may take to send its first groups one
	// by one before the first list is published.
	settle = 250 * time.Millisecond
)

// A Provider runs one discoverer after another and publishes what they find.
type Provider struct {
	conf    Config
	metrics sd.DiscovererMetrics
	current *cell.Cell[sd.Discoverer]

	// Run's own.
	last []telemetry.Target // the last list that was published
	sent time.Time          // when that was; zero before
}

// New returns a Provider with its metrics registered, or an error that says
// what of Source cannot be used.
func New(cfg Config) (*Provider, error) {
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	refresh := sd.NewRefreshMetrics(cfg.Registry)
	if err := refresh.Register(); err != nil {
		return nil, fmt.Errorf("register refresh metrics: %w", err)
	}
	metrics := cfg.Source.NewDiscovererMetrics(cfg.Registry, refresh)
	if err := metrics.Register(); err != nil {
		return nil, fmt.Errorf("register discovery metrics: %w", err)
	}
	p := &Provider{conf: cfg, metrics: metrics}
	d, err := p.discoverer(cfg.Source)
	if err != nil {
		return nil, err
	}
	p.current = cell.New(d)
	return p, nil
}

// discoverer sets a discoverer up; it does nothing until it is run.
func (p *Provider) discoverer(source sd.Config) (sd.Discoverer, error) {
	d, err := source.NewDiscoverer(sd.DiscovererOptions{
		Logger:  p.conf.Log,
		Metrics: p.metrics,
		SetName: p.conf.Name,
	})
	if err != nil {
		return nil, fmt.Errorf("set up discovery %s: %w", source.Name(), err)
	}
	return d, nil
}

// Update replaces the discoverer by one for source, which is of the same kind.
// An error has changed nothing.
func (p *Provider) Update(source sd.Config) error {
	d, err := p.discoverer(source)
	if err != nil {
		return err
	}
	p.current.Set(d)
	return nil
}

// Run follows the latest discoverer until ctx is done.
func (p *Provider) Run(ctx context.Context) {
	for ctx.Err() == nil {
		d, replaced := p.current.Get()
		p.follow(ctx, d, replaced)
	}
}

// follow runs d until ctx is done or d is replaced, and has joined it then.
func (p *Provider) follow(ctx context.Context, d sd.Discoverer, replaced <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	updates := make(chan []*targetgroup.Group)
	wg.Go(func() { d.Run(ctx, updates) })

	found := groups{}
	due := time.NewTimer(p.patience())
	defer due.Stop()
	first, armed := true, true
	for {
		select {
		case <-ctx.Done():
			return
		case <-replaced:
			return
		case list, open := <-updates:
			if !open { // some discoverers say so that they are done
				updates = nil
				continue
			}
			found.merge(list)
			switch {
			case first:
				due.Reset(min(settle, p.conf.Every))
			case !armed:
				due.Reset(p.conf.Every - time.Since(p.sent))
			}
			first, armed = false, true
		case <-due.C:
			p.publish(found.targets())
			armed = false
		}
	}
}

// patience is how long a discoverer may take for its first groups before it has
// found nothing.
func (p *Provider) patience() time.Duration {
	if p.sent.IsZero() {
		return p.conf.Every
	}
	return 6 * p.conf.Every
}

// publish passes the list on if it is the first one or news.
func (p *Provider) publish(list []telemetry.Target) {
	if p.sent.IsZero() || !slices.EqualFunc(list, p.last, labels.Equal) {
		p.conf.Publish(list)
	}
	p.last, p.sent = list, time.Now()
}
