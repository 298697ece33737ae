// Package sinktest tests telemetry.Sink: TestSink is its contract, Recorder is
// a Sink that remembers, for tests of what appends to one.
package sinktest

import (
	"context"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Point is one thing that a sink was given. Exactly one of the kinds is set:
// a value, a histogram (H or FH) or an exemplar.
type Point struct {
	Series   string // labels as text
	Key      uint64 // of the batch; 0 where it is not known any more
	T        int64  // Unix ms
	ST       int64  // start timestamp; 0: unknown
	V        float64
	H        *histogram.Histogram
	FH       *histogram.FloatHistogram
	Exemplar string // labels of the exemplar as text; empty for a value
}

// A Recorder is a Sink that keeps everything in memory. Any number of
// goroutines may use it at the same time. The zero Recorder is not usable.
type Recorder struct {
	mu      sync.Mutex
	id      telemetry.SinkID
	epoch   telemetry.Epoch
	series  []recorded
	byText  map[string]int
	points  []Point
	batches int
	fail    error
}

type recorded struct {
	lset  labels.Labels
	md    telemetry.Metadata
	holds int
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder {
	r := &Recorder{id: telemetry.NewSinkID(), series: make([]recorded, 1)}
	r.Change()
	return r
}

// Change begins a new epoch: equal labels get other handles from now on.
func (r *Recorder) Change() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch = telemetry.NextEpoch()
	r.byText = map[string]int{}
}

// Fail makes Append and Flush return err until it is called with nil.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// Points returns what was appended, in order.
func (r *Recorder) Points() []Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Point(nil), r.points...)
}

// Batches returns the number of batches that were appended.
func (r *Recorder) Batches() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batches
}

// Held returns the labels of the series that are held, with the number of
// holds on each.
func (r *Recorder) Held() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := map[string]int{}
	for _, s := range r.series {
		if s.holds > 0 {
			held[s.lset.String()] += s.holds
		}
	}
	return held
}

// Metadata returns what was last said about the series with these labels.
func (r *Recorder) Metadata(lset labels.Labels) telemetry.Metadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.series[r.byText[lset.String()]].md
}

// Resolve returns a handle for every series that has labels.
func (r *Recorder) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	if lset.IsEmpty() {
		return telemetry.Dropped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := lset.String()
	i, known := r.byText[text]
	if !known {
		i = len(r.series)
		r.series = append(r.series, recorded{lset: lset.Copy()})
		r.byText[text] = i
	}
	r.series[i].holds++
	if md != nil {
		r.series[i].md = *md
	}
	return r.id.Handle(i)
}

// Epoch is the one that Change began.
func (r *Recorder) Epoch() telemetry.Epoch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// Append remembers b.
func (r *Recorder) Append(b *telemetry.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	if b.Epoch != r.epoch {
		return telemetry.ErrEpoch
	}
	r.batches++
	starts := map[int]int64{}
	for _, s := range b.Starts {
		starts[s.Index] = s.T
	}
	for i, s := range b.Samples {
		r.addLocked(s.Handle, Point{Key: b.Key, T: s.T, V: s.V, ST: starts[i]})
	}
	for _, s := range b.Histograms {
		p := Point{Key: b.Key, T: s.T, ST: s.ST}
		if s.H != nil {
			p.H = s.H.Copy()
		} else {
			p.FH = s.FH.Copy()
		}
		r.addLocked(s.Handle, p)
	}
	for _, s := range b.Exemplars {
		r.addLocked(s.Handle, Point{Key: b.Key, T: s.Exemplar.Ts, V: s.Exemplar.Value, Exemplar: s.Exemplar.Labels.String()})
	}
	return nil
}

// addLocked adds p to the series h, if that is held.
func (r *Recorder) addLocked(h telemetry.Handle, p Point) {
	i, ours := r.id.Index(h)
	if !ours || i >= len(r.series) || r.series[i].holds == 0 {
		return
	}
	p.Series = r.series[i].lset.String()
	r.points = append(r.points, p)
}

// Flush has nothing to do.
func (r *Recorder) Flush(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fail
}

// Release gives up holds. A series without any is forgotten.
func (r *Recorder) Release(handles []telemetry.Handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range handles {
		i, ours := r.id.Index(h)
		if !ours || i >= len(r.series) || r.series[i].holds == 0 {
			continue
		}
		s := &r.series[i]
		if s.holds--; s.holds == 0 && r.byText[s.lset.String()] == i {
			delete(r.byText, s.lset.String())
		}
	}
}
