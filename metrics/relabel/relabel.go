// Package relabel rewrites, keeps and drops series by rules, behind the Sink
// contract.
//
// The rules are applied once per series, in Resolve (memo.go); what comes back
// is the handle of the next sink. So a sample passes through here without being
// looked at, and a chain of rules costs nothing per sample.
//
//	Resolve(labels) ─► rules ─► next.Resolve(labels') ─► its handle, as it is
//	Append(batch)   ─────────► next.Append(batch)
//
// When rules or next sink change, the epoch does, and callers resolve again.
// Handles that they still hold then belong to the sink that gave them: they
// are released there, and their staleness markers go there.
//
// Nor does anything here know the labels of a sample. When somebody watches, the
// epoch changes once more, and the display learns the series as they are
// resolved again.
//
// Invariant: every hold that Resolve took in a sink is given back to that sink.
package relabel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Config says what is done to series and where they go then.
type Config struct {
	Rules    []*relabel.Config     // applied in order; valid
	Next     telemetry.Sink        // nil: every series is dropped
	Registry prometheus.Registerer // nil: no metrics; Update ignores it

	// Live is told of the series that pass, Flow how many samples do. Both may
	// be nil; Update ignores them.
	Live *live.Feed
	Flow *live.Flow
}

// Rules is a telemetry.Sink. Any number of goroutines may use it at the same
// time.
type Rules struct {
	metrics *metrics
	flow    *live.Flow
	display display

	builders sync.Pool // of *labels.Builder

	mu     sync.RWMutex
	rules  program
	next   telemetry.Sink
	epoch  telemetry.Epoch
	owners map[telemetry.SinkID]*owner // who gave the handles that are held
	held   int
}

// An owner is a sink that handles came from, with the holds that it counts.
type owner struct {
	sink  telemetry.Sink
	holds int
}

// New returns the sink that cfg describes.
func New(cfg Config) *Rules {
	r := &Rules{
		owners: map[telemetry.SinkID]*owner{}, epoch: telemetry.NextEpoch(),
		flow: cfg.Flow, display: display{feed: cfg.Live},
	}
	r.builders.New = func() any { return labels.NewBuilder(labels.EmptyLabels()) }
	r.rules, r.next = compile(cfg.Rules, nil), next(cfg)
	r.metrics = newMetrics(r)
	r.metrics.register(cfg.Registry)
	return r
}

// next returns the sink that cfg names, or one that drops everything.
func next(cfg Config) telemetry.Sink {
	if cfg.Next == nil {
		return telemetry.Fanout(nil)
	}
	return cfg.Next
}

// Update replaces rules and next sink. The epoch changes if they do.
func (r *Rules) Update(cfg Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rules := compile(cfg.Rules, r.rules)
	if cfg.Next == r.next && rules.same(r.rules) {
		return
	}
	r.rules, r.next = rules, next(cfg)
	r.epoch = telemetry.NextEpoch()
}

// key is equal for lists of rules that do the same.
func key(rules []*relabel.Config) string {
	var s strings.Builder
	for _, c := range rules {
		fmt.Fprintf(&s, "%q %q %q %d %q %q %q %d %t\n", c.SourceLabels, c.Separator, c.Regex.String(),
			c.Modulus, c.TargetLabel, c.Replacement, c.Action, c.NameValidationScheme,
			c.Regex == relabel.DefaultRelabelConfig.Regex) // that one is matched in another way
	}
	return s.String()
}

// Resolve applies the rules and returns the next sink's handle, or Dropped if
// the rules drop the series or the next sink does.
func (r *Rules) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	r.mu.RLock()
	rules, next := r.rules, r.next
	r.mu.RUnlock()
	r.metrics.misses.Inc()
	before := lset
	if len(rules) > 0 {
		b := r.builders.Get().(*labels.Builder)
		defer r.builders.Put(b)
		b.Reset(lset)
		if !rules.apply(b) {
			return r.dropped(before)
		}
		lset = b.Labels()
	}
	if lset.IsEmpty() {
		return r.dropped(before)
	}
	h := next.Resolve(lset, md)
	if h == telemetry.Dropped {
		return r.dropped(before)
	}
	r.hold(h, next)
	r.display.learn(h, before, lset)
	return h
}

// dropped counts a series that ends here.
func (r *Rules) dropped(before telemetry.Labels) telemetry.Handle {
	r.metrics.processed.Inc()
	r.display.drop(before)
	return telemetry.Dropped
}

// hold notes that h came from sink.
func (r *Rules) hold(h telemetry.Handle, sink telemetry.Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.owners[h.Sink()]
	if o == nil {
		o = &owner{sink: sink}
		r.owners[h.Sink()] = o
	}
	o.holds++
	r.held++
}

// Epoch changes with the rules, the next sink and the next sink's epoch.
func (r *Rules) Epoch() telemetry.Epoch {
	r.mu.RLock()
	epoch, next := r.epoch, r.next
	r.mu.RUnlock()
	return max(epoch, next.Epoch())
}

// Append passes b on.
func (r *Rules) Append(b *telemetry.Batch) error {
	start := time.Now()
	if r.display.begins() {
		r.begin()
	}
	r.mu.RLock()
	epoch, next := r.epoch, r.next
	foreign := r.foreignLocked(next)
	r.mu.RUnlock()
	part := *b
	part.Epoch = next.Epoch()
	if b.Epoch != max(epoch, part.Epoch) {
		return telemetry.ErrEpoch
	}
	err := next.Append(&part)
	if errors.Is(err, telemetry.ErrEpoch) {
		return telemetry.ErrEpoch
	}
	// What another sink still holds can only be marked as ended. One that has
	// stopped meanwhile marks nothing; that is no reason to give back, or to
	// append again, what next has taken.
	for _, sink := range foreign {
		part.Epoch = sink.Epoch()
		_ = sink.Append(&part)
	}
	if err == nil {
		n := len(b.Samples) + len(b.Histograms)
		r.metrics.appended(n, time.Since(start))
		r.flow.Add(n)
		r.display.show(b)
	}
	return err
}

// begin has every series resolved again, so that the display learns them.
func (r *Rules) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch = telemetry.NextEpoch()
}

// foreignLocked returns the former next sinks whose handles are still held.
// Each is given the whole batch and skips the handles that it does not know.
func (r *Rules) foreignLocked(next telemetry.Sink) (list []telemetry.Sink) {
	if len(r.owners) < 2 {
		return nil
	}
	for _, o := range r.owners {
		if o.sink != next && !slices.Contains(list, o.sink) {
			list = append(list, o.sink)
		}
	}
	return list
}

// Flush flushes the next sink.
func (r *Rules) Flush(ctx context.Context) error {
	r.mu.RLock()
	next := r.next
	r.mu.RUnlock()
	return next.Flush(ctx)
}

// CommitSoon passes the word on to the next sink.
func (r *Rules) CommitSoon() {
	r.mu.RLock()
	next := r.next
	r.mu.RUnlock()
	telemetry.CommitSoon(next)
}

// Delivered waits for the next sink.
func (r *Rules) Delivered(ctx context.Context) error {
	r.mu.RLock()
	next := r.next
	r.mu.RUnlock()
	return telemetry.Delivered(ctx, next)
}

// Release gives the holds back to the sinks that counted them.
func (r *Rules) Release(handles []telemetry.Handle) {
	for sink, list := range r.bySink(handles) {
		sink.Release(list)
	}
}

// bySink takes the holds off the books and returns them by sink.
func (r *Rules) bySink(handles []telemetry.Handle) map[telemetry.Sink][]telemetry.Handle {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := map[telemetry.Sink][]telemetry.Handle{}
	for _, h := range handles {
		o := r.owners[h.Sink()]
		if h == telemetry.Dropped || o == nil {
			continue
		}
		by[o.sink] = append(by[o.sink], h)
		r.held--
		if o.holds--; o.holds == 0 {
			delete(r.owners, h.Sink())
		}
		r.metrics.deletes.Inc()
	}
	return by
}

// size returns the number of holds on series.
func (r *Rules) size() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.held
}
