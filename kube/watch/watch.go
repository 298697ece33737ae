// Package watch keeps copies of what an API server has, one watch for each
// resource, namespace and selector however many readers there are.
//
//	reader ─► Lease ─┐
//	reader ─► Lease ─┴► Watch: list, then follow ─► trimmed objects
//
// A Watch begins with its first Lease and ends with its last. Objects are trimmed
// before they are kept: of a pod, for instance, what the labels of its targets
// are made of. While the API server is silent the copies stay as they are, and
// the library tries again with growing pauses of up to half a minute.
//
// Why a Watch is out of date is remembered as the verb, the resource and the
// namespace that were refused, until it works again.
//
// Invariant: two Leases of equal Keys read the same copies.
// Invariant: after Close of the Set nothing that it started runs.
//
// Secrets are not watched: a list of them shows all of a namespace.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// A Key says what is watched.
type Key struct {
	Resource     string // in the plural, such as pods
	Namespace    string // empty: all, or the resource has none
	Label, Field string // selectors as kubectl takes them; empty: all
}

// Limits of what is asked of the API server, which has its own.
const (
	requestsPerSecond = 20
	burst             = 60
)

// A Set holds the Watches of one API server. Any number of goroutines may use
// it at the same time.
type Set struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	log     *slog.Logger
	ctx     context.Context // of all watches
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards the field below
	watches map[Key]*Watch
}

// Open returns a Set without Watches. It has not connected yet.
func Open(cfg *rest.Config, log *slog.Logger) (*Set, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.UserAgent = "divvy"
	cfg.QPS, cfg.Burst = requestsPerSecond, burst
	cfg.WarningHandler = rest.NoWarnings{} // each list of an old resource would log one
	custom, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("set up Kubernetes client: %w", err)
	}
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cfg.AcceptContentTypes = cfg.ContentType + ",application/json"
	typed, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("set up Kubernetes client: %w", err)
	}
	s := &Set{typed: typed, dynamic: custom, log: log, watches: map[Key]*Watch{}}
	ctx := klog.NewContext(context.Background(), logr.FromSlogHandler(log.Handler()))
	s.ctx, s.stop = context.WithCancel(ctx)
	return s, nil
}

// Client returns the client of s, for what is not watched.
func (s *Set) Client() kubernetes.Interface { return s.typed }

// Lease returns a Lease of the Watch of k, which begins with it.
func (s *Set) Lease(k Key) *Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watches[k]
	if w == nil {
		w = s.start(k)
		s.watches[k] = w
	}
	w.leases++
	return &Lease{SharedIndexInformer: w.informer, Watch: w, set: s}
}

// start begins the Watch of k.
func (s *Set) start(k Key) *Watch {
	ctx, cancel := context.WithCancel(s.ctx)
	w := &Watch{Key: k, stop: cancel, log: s.log}
	w.informer = s.informer(w)
	s.running.Go(func() { w.informer.RunWithContext(ctx) })
	return w
}

// release ends w if nobody has a Lease of it any more.
func (s *Set) release(w *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.leases--
	if w.leases == 0 {
		delete(s.watches, w.Key)
		w.stop()
	}
}

// Watches returns the Watches that run, sorted by resource and namespace.
func (s *Set) Watches() []*Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Collect(maps.Values(s.watches))
	slices.SortFunc(list, func(a, b *Watch) int { return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)) })
	return list
}

// Close ends all Watches and waits for them.
func (s *Set) Close() {
	s.stop()
	s.running.Wait()
}

// A Lease lets its holder read a Watch. It is the informer of the library, for
// discoverers that want one.
type Lease struct {
	cache.SharedIndexInformer
	*Watch
	set *Set

	mu       sync.Mutex // guards the fields below
	closed   bool
	handlers []cache.ResourceEventHandlerRegistration
}

// AddEventHandler has h told of changes until Close.
func (l *Lease) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	r, err := l.SharedIndexInformer.AddEventHandler(h)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers = append(l.handlers, r)
	return r, nil
}

// Close gives the Lease back. Handlers are not told of changes any more.
func (l *Lease) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, r := range l.handlers {
		// It fails for handlers that are gone already.
		_ = l.RemoveEventHandler(r)
	}
	l.set.release(l.Watch)
}
