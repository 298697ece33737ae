package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A Pool scrapes a set of targets, each at its slots, into a sink. Any number
// of goroutines may use it.
//
// mu guards what configuration and discovery decide. A scrape takes a copy of
// that when it begins, as a job, and then needs the target's own mutex only; no
// sink and no network is waited for under mu.
type Pool struct {
	clock    *schedule.Clock
	walks    chan *walk.Walk // as many as there are processors
	loop     *fetch.Loop
	wg       sync.WaitGroup
	tell     func(node string, note []byte) // nil: there is nobody
	commons  *Commons
	stopping chan struct{} // closed when no slot is served any more

	mu       sync.Mutex
	set      *settings
	sink     telemetry.Sink
	found    []telemetry.Target
	targets  map[owner.Key]*target // with those that are gone, until their series are marked
	order    []owner.Key           // of those that are not gone
	byLabels map[uint64][]*target  // those by the hash of their labels; nil: not made yet
	tooMany  error                 // why nothing is scraped: there are more targets than allowed
	census   census                // of order
	foreign  []owner.Key           // by which nodes of other software know found; empty: by their keys
	known    map[uint64]*identity  // of found, by the hash of the labels they came with; only with FinalKeys
	counted  int                   // targets in the metrics

	// Of the round that is being served:
	held      []*target
	farewells []farewell
	reached   map[string]bool // nodes by whether notes to them may arrive
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
	commons := cfg.Commons
	if commons == nil {
		if commons, err = NewCommons(cfg.Registry, ""); err != nil {
			return nil, err
		}
	}
	set.join(commons)
	p := &Pool{
		set: set, sink: telemetry.Fanout(nil), targets: map[owner.Key]*target{},
		tell: cfg.Tell, stopping: make(chan struct{}), reached: map[string]bool{},
		commons: commons, walks: commons.walks,
	}
	p.clock = schedule.New(schedule.Config{Self: cfg.Self, View: cfg.View, Lease: cfg.Lease, Log: cfg.Log, Serve: p.serve})
	commons.add(p)
	return p, nil
}

// owned counts the targets whose slots are ours now.
func (p *Pool) owned() float64 {
	p.mu.Lock()
	ids, view, self := make([]*identity, len(p.order)), p.set.cfg.View.Load(), p.set.cfg.Self
	for i, key := range p.order {
		ids[i] = p.targets[key].id
	}
	p.mu.Unlock()
	n, now := 0, time.Now().Round(0)
	for _, id := range ids {
		if m, ok := id.owner(view, now); ok && m.Name == self && !m.Peer {
			n++
		}
	}
	return float64(n)
}

// shared returns the slots per second of all targets, or 0 if no other node
// could serve them. Nodes with the same targets come to the same number, so what
// they have served together can be held against it.
func (p *Pool) shared() (perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set.cfg.View.Load().Size(time.Now().Round(0)) < 2 {
		return 0
	}
	for _, key := range p.order {
		perSecond += 1 / p.targets[key].id.Interval.Seconds()
	}
	return perSecond
}

// Update replaces the configuration, but for Self, Log, Registry, Commons, Dial,
// Tell and Reaches, which stay. On an error nothing has changed.
func (p *Pool) Update(cfg Config) error {
	var forgotten []*target
	defer func() { forget(forgotten) }() // once mu is free
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.set
	m := before.metrics
	cfg.Self, cfg.Log = before.cfg.Self, before.cfg.Log
	cfg.Registry, cfg.Dial, cfg.Tell, cfg.Reaches = before.cfg.Registry, before.cfg.Dial, before.cfg.Tell, before.cfg.Reaches
	set, err := newSettings(cfg, before)
	if err != nil {
		m.reloadsFailed.Inc()
		return err
	}
	m.reloads.Inc()
	p.set = set
	p.clock.Follow(cfg.View, cfg.Lease)
	if set.client != before.client {
		before.client.CloseIdleConnections()
	}
	if set.jobLabel != before.jobLabel {
		m.forgetJob(before.jobLabel)
		p.counted = 0
	}
	if set.failures != before.failures {
		before.failures.close()
	}
	forgotten = p.syncLocked()
	return nil
}

// SetSink replaces the sink of scrapes that begin from now on. Series are not
// marked as ended in the old one.
func (p *Pool) SetSink(s telemetry.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sink = s
}

// SetTargets replaces the targets. Those with equal keys are one. A target
// that stays keeps its memory; the series of one that is gone are marked as
// ended after two of its slots, unless it comes back before.
func (p *Pool) SetTargets(found []telemetry.Target) { p.SetMixed(found, nil) }

// SetMixed is SetTargets for targets that nodes of other software know by other
// keys: foreign has one for each of found, or is empty.
func (p *Pool) SetMixed(found []telemetry.Target, foreign []owner.Key) {
	p.mu.Lock()
	p.found, p.foreign = found, foreign
	forgotten := p.syncLocked()
	p.mu.Unlock()
	forget(forgotten)
}

// syncLocked brings the targets in line with what was found and with the
// configuration. It needs mu. What it returns is to be forgotten.
func (p *Pool) syncLocked() []*target {
	start := time.Now()
	for _, t := range p.targets {
		t.gone = true
	}
	p.order, p.byLabels = p.order[:0], nil
	known, failed := make(map[uint64]*identity, len(p.known)), 0
	for i, f := range p.found {
		if err := p.addLocked(i, known); err != nil {
			failed++
			p.set.log.Error("target is left out", "target", status.HideLabels(f).String(), "err", err)
		}
	}
	p.known = known
	forgotten := p.removeLocked(start)
	p.limitLocked()
	p.scheduleLocked()
	p.countLocked(start)
	m, job := p.set.metrics, p.set.jobLabel
	m.syncFailed.WithLabelValues(job).Add(float64(failed))
	m.syncs.WithLabelValues(job).Inc()
	m.syncLength.WithLabelValues(job).Observe(time.Since(start).Seconds())
	m.poolTargets.WithLabelValues(job).Add(float64(len(p.order) - p.counted))
	p.counted = len(p.order)
	return forgotten
}

// addLocked takes the i-th found target into the pool. It needs mu.
func (p *Pool) addLocked(i int, known map[uint64]*identity) error {
	if !p.set.cfg.FinalKeys {
		if t := p.targets[owner.TargetKey(p.found[i])]; t != nil && !t.gone {
			return nil // a duplicate
		}
	}
	id, err := p.identifyLocked(i, known)
	if err != nil {
		return err
	}
	t := p.targets[id.key]
	if t != nil && !t.gone {
		return nil // rules made the same of another one
	}
	if t == nil {
		t = &target{}
		p.targets[id.key] = t
	}
	t.id, t.gone, t.ended, t.goneAt = id, false, 0, time.Time{}
	p.order = append(p.order, id.key)
	return nil
}

// identifyLocked returns what the i-th found target is. With FinalKeys that
// must be known before its key is; so what it was before is used again, for
// lists in which little has changed, and noted in known. It needs mu.
func (p *Pool) identifyLocked(i int, known map[uint64]*identity) (*identity, error) {
	f, foreign := p.found[i], owner.Key(0)
	if i < len(p.foreign) {
		foreign = p.foreign[i]
	}
	if !p.set.cfg.FinalKeys {
		return identify(p.set, f, foreign)
	}
	hash := f.Hash()
	id := p.known[hash]
	if id == nil || id.by != p.set || id.foreign != foreign || !labels.Equal(id.found, f) {
		var err error
		if id, err = identify(p.set, f, foreign); err != nil {
			return nil, err
		}
	}
	known[hash] = id
	return id, nil
}

// Idle reports whether there is no target, and none that is gone and still has
// series to mark.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.targets) == 0
}

// keyOfLocked returns a function that returns the keys of what was found. It
// needs mu; the function does not.
func (p *Pool) keyOfLocked() func(telemetry.Target) owner.Key {
	if !p.set.cfg.FinalKeys {
		return owner.TargetKey
	}
	known := p.known // not changed any more
	return func(f telemetry.Target) owner.Key {
		if id := known[f.Hash()]; id != nil && labels.Equal(id.found, f) {
			return id.key
		}
		return 0 // refused
	}
}

// removeLocked removes targets that are gone and have no series to mark, here
// or elsewhere, or of whose slots nothing was heard for long. It needs mu.
func (p *Pool) removeLocked(now time.Time) []*target {
	var removed []*target
	for key, t := range p.targets {
		if !t.gone {
			continue
		}
		if t.goneAt.IsZero() {
			t.goneAt = now
		}
		if !t.scraped && !p.inherits(t, now) || t.turns == 0 && now.Sub(t.goneAt) > 2*schedule.MaxLost*t.id.Interval {
			delete(p.targets, key)
			removed = append(removed, t)
		}
	}
	return removed
}

// forget releases the series of targets without marking them. It waits for
// scrapes of theirs that are in flight.
func forget(targets []*target) {
	for _, t := range targets {
		t.forget()
	}
}

// limitLocked sets tooMany. It needs mu.
func (p *Pool) limitLocked() {
	limit := p.set.cfg.TargetLimit
	p.set.metrics.targetLimit.WithLabelValues(p.set.jobLabel).Set(float64(limit))
	p.tooMany = nil
	if n := len(p.order); limit > 0 && n > int(limit) {
		p.tooMany = fmt.Errorf("target_limit exceeded (number of targets: %d, limit: %d)", n, limit)
		p.set.metrics.targetLimitHit.Inc()
	}
}

// scheduleLocked tells the clock about all targets. It needs mu.
func (p *Pool) scheduleLocked() {
	entries := make([]schedule.Entry, 0, len(p.targets))
	for key, t := range p.targets {
		entries = append(entries, schedule.Entry{Key: key, Foreign: t.id.foreign, Interval: t.id.Interval})
	}
	p.clock.Set(entries)
}

// Run scrapes until ctx is done. Then it finishes the scrapes in flight, at
// most a timeout later, tells new owners that they are delivered, or that for
// holdTime at most, gives all series back to the sink without marking them as
// ended, but for those of targets that are gone, and returns nil.
func (p *Pool) Run(ctx context.Context) error {
	p.clock.Run(ctx)
	close(p.stopping)
	p.wg.Wait()
	p.endGone()
	p.leave()
	p.mu.Lock()
	all, set := slices.Collect(maps.Values(p.targets)), p.set
	set.metrics.poolTargets.WithLabelValues(set.jobLabel).Sub(float64(p.counted))
	p.counted = 0
	p.mu.Unlock()
	p.commons.remove(p)
	forget(all)
	set.client.CloseIdleConnections()
	set.failures.close()
	return nil
}

// serve starts the scrapes of one tick. The clock calls it, and does not tick
// on before it returns; so it only starts things.
func (p *Pool) serve(r schedule.Round) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.metrics.slotsMissed.Add(float64(r.Missed))
	clear(p.reached)
	removed := false
	for _, d := range r.Due {
		if t := p.targets[d.Key]; t != nil {
			removed = p.dueLocked(t, d) || removed
		}
	}
	for _, l := range r.Lost {
		if t := p.targets[l.Key]; t != nil {
			removed = p.loseLocked(t, l) || removed
		}
	}
	p.awaitLocked()
	p.sendFarewellsLocked()
	if removed {
		p.scheduleLocked()
	}
}

// dueLocked serves a slot of t. It reports whether the target was removed. It
// needs mu.
func (p *Pool) dueLocked(t *target, d schedule.Due) bool {
	if d.From != "" && p.reachesLocked(d.From) {
		t.from = d.From
		if !t.gone {
			p.holdLocked(t, d.Slot)
		}
	}
	switch {
	case t.gone && t.from != "":
		p.disownLocked(t, d.Slot)
		return true
	case t.gone:
		return p.endLocked(t, d.Slot)
	}
	p.startLocked(t, d)
	return false
}

// maxTurns is how many scrapes of one target may be in flight or wait for the
// one before. A slot that finds more is left out.
const maxTurns = 2

// startLocked starts a scrape. It needs mu.
func (p *Pool) startLocked(t *target, d schedule.Due) {
	if t.turns == maxTurns {
		p.set.metrics.slotsMissed.Inc()
		p.set.log.Warn("slot was left out: the scrape before is not done", "target", t.id.Shown)
		return
	}
	now := time.Now()
	j := &job{
		set: p.set, sink: p.sink, t: t, id: t.id, slot: d.Slot, late: d.Late, caughtUp: d.CaughtUp,
		from: t.from, back: t.away, made: now, start: now, err: p.tooMany, hold: t.hold,
		size: t.size, contentType: t.contentType,
	}
	idle := t.turns == 0 && t.isDone()
	t.turns++
	t.scraped, t.away, t.served = true, false, d.Slot
	if idle && j.err == nil && p.set.plain && t.id.addr != "" && t.unusual != t.id {
		p.getLocked(j)
		return
	}
	p.turnLocked(t, func() {
		j.start = time.Now()
		p.settle(j, p.scrape(j))
	})
}

// inlineBytes is the size up to which a body is worked on by the goroutine that
// reads them all. Others do not wait for a larger one.
const inlineBytes = 256 << 10

// getLocked starts a scrape of a target for which nothing else is to be done,
// without a goroutine. It needs mu.
func (p *Pool) getLocked(j *job) {
	done := make(chan struct{})
	j.t.turn = done
	p.wg.Add(1)
	end := func(r walk.Result) {
		p.settle(j, r)
		close(done)
		p.wg.Done()
	}
	p.loop.Get(&fetch.Request{
		Addr: j.id.addr, Host: j.id.host, URI: j.id.uri, Header: j.set.header, Timeout: j.id.Timeout,
		Deadline: j.start.Add(j.id.Timeout), Size: j.size, Limit: j.set.cfg.Limits.MaxBody(), Type: j.contentType,
		Done: func(pg fetch.Page, err error) {
			switch {
			case errors.Is(err, fetch.ErrUnusual):
				p.markUnusual(j)
				go func() { end(p.scrape(j)) }()
			case len(pg.Body) > inlineBytes:
				go func() { end(p.work(j, pg)) }()
			default:
				j.err = fetchError(j.id, err)
				end(p.work(j, pg))
			}
		},
	})
}

// markUnusual has a target scraped with net/http from now on.
func (p *Pool) markUnusual(j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j.t.unusual = j.id
}

// fetchError says what went wrong in the words of net/http.
func fetchError(id *identity, err error) error {
	var status fetch.StatusError
	if err == nil || errors.Is(err, fetch.ErrBodyLimit) || errors.As(err, &status) {
		return err
	}
	return &url.Error{Op: "Get", URL: id.url, Err: err}
}

// turnLocked does work for t in a goroutine, after all that was begun for t
// before: two slots that come at once, after a delay, are served in their
// order, which a mutex alone does not promise. It needs mu.
func (p *Pool) turnLocked(t *target, work func()) {
	before, done := t.turn, make(chan struct{})
	t.turn = done
	p.wg.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		work()
	})
}
