package jobs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/metrics/relabel"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// sweepEvery is how often pools that have nothing left to do are stopped, and
// how often jobs that could not be scraped are tried again.
const sweepEvery = 10 * time.Second

// Pools is a pool for each job. Any number of goroutines may use it.
type Pools struct {
	commons *scrape.Commons
	jobs    *cell.Cell[[]*Job] // nil: there was no list yet
	change  sync.Mutex         // held while pools are made or changed

	mu      sync.Mutex
	env     scrape.Config // its fields from Self on, for all pools
	sink    telemetry.Sink
	pools   map[string]*pool // by the name of the job
	errs    map[string]error // by the name of the job
	census  status.Census
	applied bool // a list of jobs was
}

// A pool is what a job has while it has targets.
type pool struct {
	*scrape.Pool
	rules *relabel.Rules
	job   *Job // whose targets it has
	set   *Settings
	stop  context.CancelFunc
}

// New returns Pools without jobs and with a sink that drops everything. Of env
// the fields from Self on count, for all pools; their metrics are counted under
// name. It fails if metrics cannot be registered.
func New(name string, env scrape.Config) (*Pools, error) {
	commons, err := scrape.NewCommons(env.Registry, name)
	if err != nil {
		return nil, err
	}
	return &Pools{
		commons: commons, jobs: cell.New[[]*Job](nil), env: env, sink: telemetry.Fanout(nil),
		pools: map[string]*pool{}, errs: map[string]error{},
	}, nil
}

// SetJobs replaces the jobs. Run brings the pools in line with them soon.
func (p *Pools) SetJobs(list []*Job) {
	if list == nil {
		list = []*Job{}
	}
	p.jobs.Set(list)
}

// SetSink replaces the sink of all pools. Series are not marked as ended in the
// old one.
func (p *Pools) SetSink(s telemetry.Sink) {
	p.change.Lock()
	defer p.change.Unlock()
	p.mu.Lock()
	p.sink = s
	p.mu.Unlock()
	for _, l := range p.list() {
		l.rules.Update(relabel.Config{Rules: l.set.Rules, Next: s})
	}
}

// Follow makes all pools ask view for owners, for as long as lease allows.
func (p *Pools) Follow(view *cell.Cell[owner.View], lease *schedule.Lease) {
	p.change.Lock()
	defer p.change.Unlock()
	p.mu.Lock()
	same := p.env.View == view && p.env.Lease == lease
	p.env.View, p.env.Lease = view, lease
	p.mu.Unlock()
	if same {
		return
	}
	for name, l := range p.list() {
		p.fail(name, l.Update(p.config(l.set)))
	}
}

// Run scrapes until ctx is done. Then it ends all pools, as scrape.Pool.Run
// does, and returns nil.
func (p *Pools) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running, stop := context.WithCancel(ctx)
	defer stop()
	start := func(l *pool) {
		var own context.Context
		own, l.stop = context.WithCancel(running)
		wg.Go(func() { _ = l.Run(own) })
	}
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for ctx.Err() == nil {
		list, changed := p.jobs.Get()
		if list != nil {
			p.apply(list, start)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-sweep.C:
		}
	}
	return nil
}

// apply brings the pools in line with jobs. What start is given it runs.
func (p *Pools) apply(jobs []*Job, start func(*pool)) {
	p.change.Lock()
	defer p.change.Unlock()
	wanted := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		wanted[j.Name] = true
		p.fail(j.Name, p.applyJob(j, start))
	}
	for name, l := range p.list() {
		if !wanted[name] && len(l.job.Targets) > 0 {
			l.job = &Job{Name: name, Settings: l.set}
			l.SetTargets(nil)
		}
		if len(l.job.Targets) == 0 && l.Idle() {
			l.stop()
			p.put(name, nil)
		}
	}
	p.count(wanted)
}

// applyJob brings the pool of a job in line with it. An error is about its
// settings: those before go on.
func (p *Pools) applyJob(j *Job, start func(*pool)) error {
	l, started := p.get(j.Name), true
	if l == nil {
		if len(j.Targets) == 0 {
			return nil
		}
		made, err := scrape.New(p.config(j.Settings))
		if err != nil {
			return fmt.Errorf("start job %s: %w", j.Name, err)
		}
		l, started = &pool{Pool: made, set: j.Settings, job: &Job{}}, false
		l.rules = relabel.New(relabel.Config{Rules: j.Settings.Rules, Next: p.next()})
		l.SetSink(l.rules)
		p.put(j.Name, l)
	}
	var err error
	if l.set != j.Settings {
		if err = l.Update(p.config(j.Settings)); err == nil {
			l.set = j.Settings
			l.rules.Update(relabel.Config{Rules: j.Settings.Rules, Next: p.next()})
		} else {
			err = fmt.Errorf("update job %s: %w", j.Name, err)
		}
	}
	if l.job != j {
		l.job = j
		l.SetMixed(j.Targets, j.Foreign)
	}
	if !started {
		start(l)
	}
	return err
}

// config returns what a pool of s is made of.
func (p *Pools) config(s *Settings) scrape.Config {
	p.mu.Lock()
	e := p.env
	p.mu.Unlock()
	c := s.Scrape
	c.Self, c.View, c.Lease, c.Log, c.Dial = e.Self, e.View, e.Lease, e.Log, e.Dial
	c.Tell, c.Reaches, c.Live, c.Flow = e.Tell, e.Reaches, e.Live, e.Flow
	c.Registry, c.Commons, c.FinalKeys = nil, p.commons, true
	return c
}

func (p *Pools) next() telemetry.Sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sink
}

func (p *Pools) get(job string) *pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pools[job]
}

// put notes the pool of a job; nil: it has none any more.
func (p *Pools) put(job string, l *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l == nil {
		delete(p.pools, job)
		return
	}
	p.pools[job] = l
}

// list returns the pools as they are now.
func (p *Pools) list() map[string]*pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.pools)
}

// fail notes why a job cannot be scraped as it asks; nil: it can.
func (p *Pools) fail(job string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.errs, job)
		return
	}
	if before := p.errs[job]; (before == nil || before.Error() != err.Error()) && p.env.Log != nil {
		p.env.Log.Error("job cannot be scraped as it asks", "job", job, "err", err)
	}
	p.errs[job] = err
}

// count takes the census anew, and forgets the errors of jobs that are gone.
func (p *Pools) count(wanted map[string]bool) {
	c := status.Census{}
	for _, l := range p.list() {
		one := l.Census()
		c.Count += one.Count
		c.Digest += one.Digest
		if one.Count > 0 && (c.Interval == 0 || one.Interval < c.Interval) {
			c.Interval = one.Interval
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Changed = p.census.Changed
	if c.Digest != p.census.Digest || c.Changed.IsZero() {
		c.Changed = time.Now()
	}
	p.census, p.applied = c, true
	maps.DeleteFunc(p.errs, func(job string, _ error) bool { return !wanted[job] })
}

// inOrder returns the pools by the names of their jobs.
func (p *Pools) inOrder() []*pool {
	all := p.list()
	out := make([]*pool, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}
