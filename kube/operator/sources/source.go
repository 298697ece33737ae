// Package sources runs the discoverers that jobs get their targets from.
//
//	discoverer ─► groups ─► Source ─► whoever asks what changed
//
// Objects of Kubernetes are discovered by the discoverers of Prometheus, on
// watches that all of them share. Jobs that look for the same in the same
// namespace have one Source; there is one for each namespace. Other discoverers
// are not shared: they may have secrets of their own.
//
// A Source is Seen when every object that there was at first has been looked
// at, so that a list of targets is complete. What is denied for good is not
// waited for.
//
// Invariant: a group that is sent again without a change is no news.
// Invariant: after Close of the Pool nothing that it started runs.
package sources

import (
	"context"
	"errors"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/divvy-collector/divvy/kube/watch"
)

const (
	// look is how often a Source that is not complete asks whether it is.
	look = 50 * time.Millisecond

	// patience is how long a discoverer may be silent before it has found
	// nothing more.
	patience = 5 * time.Second
)

// A Source is one discoverer and what it has found. Any number of goroutines may
// use it at the same time.
type Source struct {
	key     string
	run     sd.Discoverer
	leases  []*watch.Lease // that it reads; the first has the objects that become groups
	stop    context.CancelFunc
	users   int // guarded by mu of the Pool
	changed func()

	mu     sync.Mutex // guards the fields below
	groups map[string]*Group
	dirty  map[string]bool // groups that changed
	seen   bool
}

// Key is equal for Sources that look for the same.
func (s *Source) Key() string { return s.key }

// Seen reports whether everything that there was at first was looked at, or
// cannot be.
func (s *Source) Seen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen || s.denied()
}

// Err returns why the groups may be out of date; nil if they are current.
func (s *Source) Err() error {
	var errs []error
	for _, l := range s.leases {
		errs = append(errs, l.Err())
	}
	return errors.Join(errs...)
}

// denied reports whether the API server has refused a watch for good.
func (s *Source) denied() bool {
	for _, l := range s.leases {
		if !l.Seen() && l.Denied() {
			return true
		}
	}
	return false
}

// Changed returns the names of the groups that have changed since it was called
// last.
func (s *Source) Changed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirty) == 0 {
		return nil
	}
	names := make([]string, 0, len(s.dirty))
	for name := range s.dirty {
		names = append(names, name)
	}
	clear(s.dirty)
	return names
}

// Group returns a group by its name; nil if it is gone or has no targets.
func (s *Source) Group(name string) *Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[name]
}

// All returns a copy of the groups by their names.
func (s *Source) All() iter.Seq2[string, *Group] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.All(maps.Clone(s.groups))
}

// follow runs the discoverer until ctx is done.
func (s *Source) follow(ctx context.Context) {
	updates := make(chan []*targetgroup.Group)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.run.Run(ctx, updates) })

	first := newFirst(s.leases)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case list, open := <-updates:
			if !open { // some discoverers say so that they are done
				updates = nil
				continue
			}
			first.take(list)
			s.merge(list)
		case <-tick.C:
		}
		if first.done() {
			tick.Stop()
			s.complete()
		}
	}
}

// merge takes groups that the discoverer has sent.
func (s *Source) merge(list []*targetgroup.Group) {
	news := false
	s.mu.Lock()
	for _, g := range list {
		if g == nil {
			continue
		}
		var next *Group
		if len(g.Targets) > 0 {
			next = newGroup(g)
		}
		if next.equal(s.groups[g.Source]) {
			continue
		}
		news = true
		s.dirty[g.Source] = true
		if next == nil {
			delete(s.groups, g.Source)
		} else {
			s.groups[g.Source] = next
		}
	}
	s.mu.Unlock()
	if news {
		s.changed()
	}
}

// complete notes that everything was seen.
func (s *Source) complete() {
	s.mu.Lock()
	before := s.seen
	s.seen = true
	s.mu.Unlock()
	if !before {
		s.changed()
	}
}

// A first waits for the groups of all objects that there were at first.
type first struct {
	leases  []*watch.Lease
	taken   map[string]bool // groups that came
	waiting map[string]bool // objects without one; nil: they are not known yet
	quiet   time.Time       // since when no group came
	over    bool
}

// newFirst begins to wait. Without leases, the first groups are all.
func newFirst(leases []*watch.Lease) *first {
	return &first{leases: leases, taken: map[string]bool{}, quiet: time.Now()}
}

// take notes that groups came. Their names are those of the objects, after a
// word for their kind.
func (f *first) take(list []*targetgroup.Group) {
	if f.over {
		return
	}
	f.quiet = time.Now()
	f.over = len(f.leases) == 0
	for _, g := range list {
		if g != nil {
			_, name, _ := strings.Cut(g.Source, "/")
			f.taken[name] = true
			delete(f.waiting, name)
		}
	}
}

// done reports whether the groups of all objects came, or no more will.
func (f *first) done() bool {
	if f.over {
		return true
	}
	for _, l := range f.leases {
		if !l.Seen() {
			return false
		}
	}
	if f.waiting == nil && len(f.leases) > 0 {
		f.waiting = map[string]bool{}
		for _, name := range f.leases[0].GetStore().ListKeys() {
			if !f.taken[name] {
				f.waiting[name] = true
			}
		}
		f.quiet = time.Now()
	}
	f.over = len(f.leases) > 0 && len(f.waiting) == 0 || time.Since(f.quiet) > patience
	return f.over
}
