package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A Pool takes the profiles of a set of targets, each at its slots. Any number
// of goroutines may use it.
//
// mu guards what configuration and discovery decide. A profile that begins takes
// a copy of that as a job; no sink and no network is waited for under mu.
type Pool struct {
	clock    *schedule.Clock
	benches  chan *bench // as many as there are processors
	wg       sync.WaitGroup
	parts    sync.WaitGroup                 // those who give baselines away
	tell     func(node string, note []byte) // nil: there is nobody
	outbox   outbox
	root     context.Context // of every request; cancelled when Run can wait no more
	cut      context.CancelFunc
	stopping chan struct{} // closed when no slot is served any more
	left     chan struct{} // closed when the new owners of all targets have been told, too

	mu      sync.Mutex
	set     *settings
	sink    profiles.Sink
	found   []telemetry.Target
	targets map[owner.Key]*target
	order   []owner.Key
	census  census // of order
}

// A target is one thing to take profiles of.
type target struct {
	id      *identity // guarded by the pool's mu, as the others below
	sources []*source // of id.requests, in their order
	mine    bool      // the last slot was ours

	pastMu sync.Mutex // guards past
	past   status.Past
}

// New returns a pool without targets and with a sink that drops everything.
// It fails if cfg is invalid or its metrics cannot be registered.
func New(cfg Config) (*Pool, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	set, err := newSettings(cfg, nil)
	if err != nil {
		return nil, err
	}
	p := &Pool{
		set: set, sink: profiles.Fanout(nil), targets: map[owner.Key]*target{},
		tell: cfg.Tell, stopping: make(chan struct{}), left: make(chan struct{}),
	}
	if set.metrics, err = newMetrics(cfg.Registry, p.owned); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	p.root, p.cut = context.WithCancel(context.Background())
	p.clock = schedule.New(schedule.Config{Self: cfg.Self, View: cfg.View, Lease: cfg.Lease, Log: cfg.Log, Serve: p.serve})
	p.benches = make(chan *bench, runtime.GOMAXPROCS(0))
	for range cap(p.benches) {
		p.benches <- newBench()
	}
	return p, nil
}

// owned counts the targets whose slots are ours now.
func (p *Pool) owned() float64 {
	p.mu.Lock()
	order, view, self := slices.Clone(p.order), p.set.cfg.View.Load(), p.set.cfg.Self
	p.mu.Unlock()
	n, now := 0, time.Now().Round(0)
	for _, key := range order {
		if m, ok := view.Owner(key, now); ok && m.Name == self && !m.Peer {
			n++
		}
	}
	return float64(n)
}

// Update replaces the configuration, but for Self, Log, Registry, Dial, Tell
// and Reaches, which stay. On an error nothing has changed.
func (p *Pool) Update(cfg Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.set
	cfg.Self, cfg.Log = before.cfg.Self, before.cfg.Log
	cfg.Registry, cfg.Dial, cfg.Tell, cfg.Reaches = before.cfg.Registry, before.cfg.Dial, before.cfg.Tell, before.cfg.Reaches
	set, err := newSettings(cfg, before)
	if err != nil {
		return err
	}
	p.set = set
	p.clock.Follow(cfg.View, cfg.Lease)
	if set.client != before.client {
		before.client.CloseIdleConnections()
	}
	p.syncLocked()
	return nil
}

// SetSink replaces the sink of profiles that begin from now on.
func (p *Pool) SetSink(s profiles.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sink = s
}

// SetTargets replaces the targets. Those with equal keys are one. Of a target
// that stays what is remembered stays.
func (p *Pool) SetTargets(found []telemetry.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = found
	p.syncLocked()
}

// syncLocked brings the targets in line with what was found and with the
// configuration. It needs mu.
func (p *Pool) syncLocked() {
	before := p.targets
	p.targets = make(map[owner.Key]*target, len(p.found))
	p.order = p.order[:0]
	entries := make([]schedule.Entry, 0, len(p.found))
	for _, f := range p.found {
		key := owner.TargetKey(f)
		if p.targets[key] != nil {
			continue // a duplicate
		}
		id, err := identify(&p.set.cfg, f)
		if err != nil {
			p.set.log.Error("target is left out", "target", status.HideLabels(f).String(), "err", err)
			continue
		}
		t := before[key]
		if t == nil {
			t = &target{}
		}
		t.become(id)
		p.targets[key] = t
		p.order = append(p.order, key)
		entries = append(entries, schedule.Entry{Key: key, Interval: p.set.cfg.Interval})
	}
	p.clock.Set(entries)
	p.countLocked(time.Now())
}

// become gives a target its new identity. A source whose request asks for the
// same stays.
func (t *target) become(id *identity) {
	sources := make([]*source, len(id.requests))
	for i, r := range id.requests {
		at := slices.IndexFunc(t.sources, func(s *source) bool { return s.req.name == r.name && s.req.url == r.url })
		if at >= 0 {
			sources[i] = t.sources[at]
		} else {
			sources[i] = &source{}
		}
		sources[i].req = r
	}
	t.id, t.sources = id, sources
}

// Run takes profiles until ctx is done. Then it hands over what new owners of
// its targets need, waits for the profiles in flight, which may be as long as
// they last, but not longer than Config.Drain allows, and returns nil.
func (p *Pool) Run(ctx context.Context) error {
	p.clock.Run(ctx)
	close(p.stopping)
	p.parts.Wait()
	p.leave()
	close(p.left)
	p.mu.Lock()
	set := p.set
	p.mu.Unlock()
	if set.cfg.Drain > 0 {
		defer time.AfterFunc(set.cfg.Drain, p.cut).Stop()
	}
	p.wg.Wait()
	p.cut()
	set.client.CloseIdleConnections()
	return nil
}

// serve starts the profiles of one tick. The clock calls it, and does not tick
// on before it returns; so it only starts things.
func (p *Pool) serve(r schedule.Round) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.metrics.missed.Add(float64(r.Missed))
	for _, d := range r.Due {
		if t := p.targets[d.Key]; t != nil {
			p.startLocked(t, d)
		}
	}
	var list []parting
	for _, l := range r.Lost {
		if t := p.targets[l.Key]; t != nil && l.Slots == 1 {
			list = append(list, p.partLocked(t, l.Owner, l.Slot))
		}
	}
	if set := p.set; len(list) > 0 {
		p.parts.Go(func() { p.surrender(list, set) })
	}
}

// startLocked starts the profiles of a slot. It needs mu.
func (p *Pool) startLocked(t *target, d schedule.Due) {
	t.mine = true
	wait := d.From != "" && p.set.cfg.Reaches != nil && p.set.cfg.Reaches(d.From)
	tn := &turn{
		slot: d.Slot, began: time.Now(), requests: t.id.requests,
		results: make([]result, len(t.sources)), left: len(t.sources),
	}
	for i, s := range t.sources {
		given, arrived := s.begin(d.Slot, wait)
		j := &job{
			set: p.set, sink: p.sink, t: t, s: s, req: s.req, turn: tn, at: i,
			key: d.Key, slot: d.Slot, late: d.Late, caughtUp: d.CaughtUp, made: tn.began,
			given: given, arrived: arrived,
		}
		switch {
		case s.working >= maxWorking:
			p.settleLocked(j, result{err: errStuck, lost: true})
		case !s.busy:
			p.beginLocked(j)
		case s.next == nil:
			s.next = j
		default:
			p.settleLocked(j, result{err: errBusy, lost: true})
		}
	}
}

// maxWorking is how many profiles of one source may wait for the receivers.
const maxWorking = 2

// beginLocked starts a job, unless it would run into the next slot. It needs mu.
func (p *Pool) beginLocked(j *job) {
	var fits bool
	if j.seconds, fits = j.req.lasts(j.late, j.set.cfg.Interval); !fits {
		p.settleLocked(j, result{err: errShort, lost: true})
		return
	}
	j.s.busy = true
	p.wg.Go(func() {
		r := p.take(j)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settleLocked(j, r)
		if j.answered {
			j.s.working--
		} else {
			p.freeLocked(j.s)
		}
	})
}

// answered lets the next profile of a source begin, though the receivers do not
// have this one yet: they may be slow, and a target must not be asked late
// because of that. Deltas follow one another, so they wait.
func (p *Pool) answered(j *job) {
	if j.req.counters != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	j.answered = true
	j.s.working++
	p.freeLocked(j.s)
}

// freeLocked lets the next profile of a source begin. It needs mu.
func (p *Pool) freeLocked(s *source) {
	s.busy = false
	p.nextLocked(s)
}

// nextLocked starts the job that has waited for the one before, if that was not
// for long: targets take a moment more than their profiles last. It needs mu.
func (p *Pool) nextLocked(s *source) {
	j := s.next
	s.next = nil
	switch {
	case j == nil:
		return
	case time.Since(j.made) > j.set.cfg.Interval/5 || p.ended():
		p.settleLocked(j, result{err: errBusy, lost: true})
	default:
		j.late += time.Since(j.made)
		j.made = time.Now()
		p.beginLocked(j)
	}
}

// ended reports whether no slot is served any more.
func (p *Pool) ended() bool {
	select {
	case <-p.stopping:
		return true
	default:
		return false
	}
}
