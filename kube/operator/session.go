package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/config"
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/kube/operator/refs"
	"github.com/divvy-collector/divvy/kube/operator/sources"
	"github.com/divvy-collector/divvy/kube/operator/translate"
	"github.com/divvy-collector/divvy/kube/watch"
)

// A pace says how often jobs are brought up to date.
type pace struct {
	settle time.Duration // how long changes are gathered before
	pause  time.Duration // least time between two times
	look   time.Duration // how often it is asked whether everything was seen
}

// defaultPace is gentle to those who take the lists, and fast enough for a pod
// to be scraped in its first interval.
func defaultPace() pace {
	return pace{settle: 250 * time.Millisecond, pause: time.Second, look: 250 * time.Millisecond}
}

// An objectKey names an object.
type objectKey struct{ namespace, name string }

// A session is an Engine at work for one Config. What has no mutex is for the
// goroutine of run.
type session struct {
	engine     *Engine
	conf       Config
	set        *watch.Set
	pool       *sources.Pool
	book       *refs.Book
	translator *translate.Translator
	leases     []*watch.Lease // of the objects, one for each namespace
	wake       chan struct{}  // something has changed
	ledger     *ledger

	objects  map[objectKey]*object
	tasks    map[string]*task // by the name of the job
	complete bool             // everything was seen once

	mu    sync.Mutex // guards the field below
	dirty map[objectKey]bool
}

// An object is a custom resource with what it was translated to.
type object struct {
	refs    []translate.Ref
	pending bool // something that it refers to was not read yet
	tasks   []*task
	err     error // why it has no tasks; nil: it has
	at      time.Time
}

// openSession returns a session that has asked nothing yet.
func openSession(e *Engine, cfg Config) (*session, error) {
	set, err := watch.Open(cfg.API, cfg.Log)
	if err != nil {
		return nil, err
	}
	s := &session{
		engine: e, conf: cfg, set: set, wake: make(chan struct{}, 1),
		ledger:  &ledger{records: map[objectKey]record{}},
		objects: map[objectKey]*object{}, tasks: map[string]*task{}, dirty: map[objectKey]bool{},
		translator: translate.New(translate.Config{
			Role: cfg.Role, Rules: cfg.Rules, FileAccess: cfg.FileAccess,
			Interval: cfg.Scrape.Interval, Timeout: cfg.Scrape.Timeout, SampleLimit: cfg.Scrape.SampleLimit,
			NativeHistograms: cfg.Scrape.NativeHistograms, ClassicHistograms: cfg.Scrape.ClassicHistograms,
			ConvertToNHCB: cfg.Scrape.ConvertToNHCB,
			BucketLimit:   cfg.Scrape.BucketLimit, BucketFactor: cfg.Scrape.BucketFactor,
		}),
	}
	s.pool = sources.Open(set, e.discovery, cfg.Log, s.rouse)
	s.book = refs.New(refs.From(set.Client()), s.rouse)
	return s, nil
}

// close ends what the session has started.
func (s *session) close() {
	s.pool.Close()
	s.set.Close()
}

// rouse makes run look at what has changed.
func (s *session) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run follows the objects until ctx is done or the configuration is replaced.
func (s *session) run(ctx context.Context, replaced <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.book.Run(ctx) })
	s.follow()
	pace := s.engine.pace
	due := time.NewTimer(pace.settle)
	defer due.Stop()
	tick := time.NewTicker(pace.look)
	defer tick.Stop()
	armed, done := true, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-replaced:
			return
		case <-s.wake:
			if !armed {
				due.Reset(max(pace.settle, pace.pause-time.Since(done)))
				armed = true
			}
		case <-due.C:
			s.reconcile(ctx)
			armed, done = false, time.Now()
		case <-tick.C:
			s.engine.metrics.watches.Set(float64(len(s.set.Watches())))
			if !armed && (!s.complete && s.seenAll() || s.complete && s.holds()) {
				s.finish()
			}
		}
	}
}

// follow begins to watch the objects.
func (s *session) follow() {
	namespaces := s.conf.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	label := ""
	if s.conf.Selector != nil {
		label = s.conf.Selector.String()
	}
	for _, namespace := range slices.Compact(slices.Sorted(slices.Values(namespaces))) {
		l := s.set.Lease(watch.Key{Resource: string(s.conf.Kind), Namespace: namespace, Label: label})
		s.leases = append(s.leases, l)
		_, err := l.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: s.touch,
			UpdateFunc: func(before, obj any) {
				// A list that is had anew tells all objects again.
				if !sameVersion(before, obj) {
					s.touch(obj)
				}
			},
			DeleteFunc: s.touch,
		})
		if err != nil {
			panic(fmt.Sprintf("BUG: a watch that has begun refuses a reader: %v", err))
		}
	}
}

// sameVersion reports whether an object is as it was.
func sameVersion(before, after any) bool {
	a, ok := before.(*watch.Custom)
	b, same := after.(*watch.Custom)
	return ok && same && a.UID == b.UID && a.ResourceVersion == b.ResourceVersion
}

// touch notes that an object may have changed.
func (s *session) touch(obj any) {
	name, err := cache.DeletionHandlingObjectToName(obj)
	if err != nil {
		return // it is no object
	}
	s.mu.Lock()
	s.dirty[objectKey{name.Namespace, name.Name}] = true
	s.mu.Unlock()
	s.rouse()
}

// reconcile brings the jobs up to date and publishes them.
func (s *session) reconcile(ctx context.Context) {
	began := time.Now()
	for _, k := range s.changed() {
		if ctx.Err() != nil {
			return
		}
		s.renew(k)
	}
	s.regroup()
	s.book.Keep(s.refers())
	if s.complete || s.seenAll() {
		s.finish()
	}
	s.count()
	s.engine.metrics.seconds.Observe(time.Since(began).Seconds())
}

// changed returns the objects that have changed, and those that refer to what
// has.
func (s *session) changed() []objectKey {
	s.mu.Lock()
	keys := maps.Clone(s.dirty)
	clear(s.dirty)
	s.mu.Unlock()
	if news := s.book.Changed(); len(news) > 0 {
		for k, o := range s.objects {
			if slices.ContainsFunc(o.refs, func(r translate.Ref) bool { return slices.Contains(news, r) }) {
				keys[k] = true
			}
		}
	}
	return slices.Collect(maps.Keys(keys))
}

// find returns an object as it is now; nil: there is none.
func (s *session) find(k objectKey) *watch.Custom {
	for _, l := range s.leases {
		obj, ok, err := l.GetStore().GetByKey(k.namespace + "/" + k.name)
		if err == nil && ok {
			return obj.(*watch.Custom)
		}
	}
	return nil
}

// renew translates one object anew.
func (s *session) renew(k objectKey) {
	c := s.find(k)
	before := s.objects[k]
	if before == nil {
		before = &object{}
	}
	if c == nil {
		s.replace(before, nil)
		delete(s.objects, k)
		s.ledger.drop(k)
		return
	}
	o := &object{at: time.Now(), err: c.Err}
	var scrapes []*config.ScrapeConfig
	if c.Err == nil {
		scrapes = s.translate(c, o)
	}
	if o.pending && len(before.tasks) > 0 {
		// What it refers to was not read yet: it stays as it is.
		o.tasks = before.tasks
	} else {
		o.tasks = s.plan(k, o, scrapes, before)
		s.replace(before, o.tasks)
	}
	s.objects[k] = o
	s.record(k, o)
}

// translate returns the scrape configurations of a custom resource, and notes in
// o what it refers to and what is wrong.
func (s *session) translate(c *watch.Custom, o *object) []*config.ScrapeConfig {
	res, err := s.translator.Translate(c.Object, func(r translate.Ref) (translate.Content, error) {
		content, err := s.book.Lookup(r)
		o.pending = o.pending || errors.Is(err, refs.ErrPending)
		return content, err
	})
	o.refs, o.err = res.Refs, err
	return res.Scrapes
}

// plan returns the tasks of scrape configurations; those that before has are
// kept.
func (s *session) plan(k objectKey, o *object, scrapes []*config.ScrapeConfig, before *object) []*task {
	var out []*task
	for _, c := range scrapes {
		i := slices.IndexFunc(before.tasks, func(t *task) bool { return t.scrape.JobName == c.JobName })
		if i >= 0 && reflect.DeepEqual(before.tasks[i].scrape, c) {
			out = append(out, before.tasks[i])
			continue
		}
		t, err := s.begin(k, c, before, i)
		if err != nil {
			o.err = err
			continue
		}
		out = append(out, t)
	}
	return out
}

// begin returns a new task for c, which takes the place of the one at i of
// before, if there is one.
func (s *session) begin(k objectKey, c *config.ScrapeConfig, before *object, i int) (*task, error) {
	// The sources of the task before are given back later: those that both
	// want are not interrupted.
	if i >= 0 && before.tasks[i].follows(c) {
		t := newTask(k, c, before.tasks[i].sources)
		before.tasks[i].sources = nil
		return t, nil
	}
	from, err := s.pool.Want(c.JobName, c.ServiceDiscoveryConfigs)
	if err != nil {
		return nil, err
	}
	t := newTask(k, c, from)
	if i >= 0 && before.tasks[i].last != nil {
		t.stale = before.tasks[i].last.Targets
	}
	return t, nil
}

// replace makes next the tasks instead of those that before has.
func (s *session) replace(before *object, next []*task) {
	for _, t := range before.tasks {
		if !slices.Contains(next, t) {
			delete(s.tasks, t.scrape.JobName)
			s.pool.Release(t.sources)
		}
	}
	for _, t := range next {
		s.tasks[t.scrape.JobName] = t
	}
}
