package sources

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"

	"github.com/divvy-collector/divvy/kube/watch"
)

// A Pool runs Sources on the watches of one Set. Any number of goroutines may
// use it at the same time.
type Pool struct {
	set     *watch.Set
	log     *slog.Logger
	metrics *Metrics
	changed func()
	ctx     context.Context // of all sources
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	sources map[string]*Source
	alone   int // sources that are not shared; makes their keys
}

// Open returns a Pool without Sources. It calls changed when one has news.
func Open(set *watch.Set, m *Metrics, log *slog.Logger, changed func()) *Pool {
	p := &Pool{set: set, log: log, metrics: m, changed: changed, sources: map[string]*Source{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Close ends all Sources and waits for them.
func (p *Pool) Close() {
	p.stop()
	p.running.Wait()
}

// Release gives Sources back that Want has returned.
func (p *Pool) Release(list []*Source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range list {
		if s.users--; s.users > 0 {
			continue
		}
		delete(p.sources, s.key)
		s.stop()
		for _, l := range s.leases {
			l.Close()
		}
	}
}

// Want returns the Sources that the configurations of discovery of a job ask
// for, or an error that says what cannot be had. Those that are not shared log
// with the name of the job.
func (p *Pool) Want(job string, list sd.Configs) ([]*Source, error) {
	var out []*Source
	for _, c := range list {
		found, err := p.want(job, c)
		if err != nil {
			p.Release(out)
			return nil, fmt.Errorf("set up discovery by %s: %w", c.Name(), err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// want returns the Sources of one configuration.
func (p *Pool) want(job string, c sd.Config) ([]*Source, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := c.(*kubernetes.SDConfig)
	if !ok || k.APIServer.URL != nil {
		s, err := p.startAloneLocked(job, c)
		if err != nil {
			return nil, err
		}
		return []*Source{s}, nil
	}
	namespaces, err := namespacesOf(k)
	if err != nil {
		return nil, err
	}
	var out []*Source
	for _, namespace := range namespaces {
		out = append(out, p.sharedLocked(newView(k, namespace)))
	}
	return out, nil
}

// startAloneLocked starts a Source of its own for c of a job; mu is held.
func (p *Pool) startAloneLocked(job string, c sd.Config) (*Source, error) {
	m, err := p.metrics.of(c)
	if err != nil {
		return nil, err
	}
	p.alone++
	key := fmt.Sprintf("%s %d", c.Name(), p.alone)
	d, err := c.NewDiscoverer(sd.DiscovererOptions{Logger: p.log.With("job", job), Metrics: m, SetName: key})
	if err != nil {
		return nil, err
	}
	return p.startLocked(&Source{key: key, run: d}), nil
}

// sharedLocked returns the Source of v, which it may start; mu is held.
func (p *Pool) sharedLocked(v view) *Source {
	key := v.key()
	if s := p.sources[key]; s != nil {
		s.users++
		return s
	}
	leases := v.leases(p.set)
	return p.startLocked(&Source{key: key, leases: leases, run: v.discoverer(leases, p.log, p.metrics)})
}

// startLocked starts s for its first user; mu is held.
func (p *Pool) startLocked(s *Source) *Source {
	ctx, stop := context.WithCancel(p.ctx)
	s.stop, s.users, s.changed = stop, 1, p.changed
	s.groups, s.dirty = map[string]*Group{}, map[string]bool{}
	p.sources[s.key] = s
	p.running.Go(func() { s.follow(ctx) })
	return s
}
