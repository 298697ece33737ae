// Package echo is a sink that prints what it takes, for people who want to see
// what flows through a pipeline.
//
// Each batch is printed at once, in the Prometheus text format or in
// OpenMetrics, with its timestamps. What these formats cannot say is said in a
// comment: a staleness marker, a native histogram.
//
// Invariant: a batch is printed whole, between no lines of another one.
package echo

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Format is how samples are written.
type Format string

// Formats.
const (
	Text        Format = "text"        // Prometheus text, version 0.0.4
	OpenMetrics Format = "openmetrics" // version 1.0.0
)

// A Sink prints. Any number of goroutines may use it at the same time.
type Sink struct {
	id    telemetry.SinkID
	epoch telemetry.Epoch

	mu       sync.Mutex
	out      *bufio.Writer
	format   Format
	byLabels map[telemetry.Labels]int // index into series
	series   []known
	free     []int // indexes into series that nobody holds
}

// A known is a series that somebody holds.
type known struct {
	labels telemetry.Labels
	md     telemetry.Metadata // zero if nobody said
	holds  int
}

// New returns a Sink that prints to w.
func New(w io.Writer, f Format) *Sink {
	return &Sink{
		id:       telemetry.NewSinkID(),
		epoch:    telemetry.NextEpoch(),
		out:      bufio.NewWriter(w),
		format:   f,
		byLabels: map[telemetry.Labels]int{},
	}
}

// SetFormat changes the format of the batches to come.
func (s *Sink) SetFormat(f Format) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.format = f
}

// Epoch never changes: there are no rules here.
func (s *Sink) Epoch() telemetry.Epoch { return s.epoch }

// Resolve takes every series.
func (s *Sink) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, have := s.byLabels[lset]
	if !have {
		i = s.addLocked(lset.Copy())
	}
	k := &s.series[i]
	k.holds++
	if md != nil {
		k.md = *md
	}
	return s.id.Handle(i + 1)
}

// addLocked returns the index of a new series. It needs mu.
func (s *Sink) addLocked(lset telemetry.Labels) int {
	i := len(s.series)
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
		s.series[i] = known{labels: lset}
	} else {
		s.series = append(s.series, known{labels: lset})
	}
	s.byLabels[lset] = i
	return i
}

// Release forgets series that nobody holds any more.
func (s *Sink) Release(handles []telemetry.Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range handles {
		k := s.atLocked(h)
		if k == nil {
			continue
		}
		if k.holds--; k.holds == 0 {
			i, _ := s.id.Index(h)
			delete(s.byLabels, k.labels)
			s.free = append(s.free, i-1)
			*k = known{}
		}
	}
}

// atLocked returns the series of a handle, or nil if nobody holds it. It needs
// mu.
func (s *Sink) atLocked(h telemetry.Handle) *known {
	i, ours := s.id.Index(h)
	if !ours || i < 1 || i > len(s.series) || s.series[i-1].holds == 0 {
		return nil
	}
	return &s.series[i-1]
}

// Append prints the batch. An error is that of the writer.
func (s *Sink) Append(b *telemetry.Batch) error {
	if b.Epoch != s.epoch {
		return telemetry.ErrEpoch
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := printer{w: s.out, format: s.format}
	exemplars := map[telemetry.Handle]*exemplar.Exemplar{}
	for i := range b.Exemplars {
		exemplars[b.Exemplars[i].Handle] = &b.Exemplars[i].Exemplar
	}
	for _, v := range b.Samples {
		if k := s.atLocked(v.Handle); k != nil {
			p.family(k)
			p.sample(k.labels, v, exemplars[v.Handle])
		}
	}
	for _, h := range b.Histograms {
		if k := s.atLocked(h.Handle); k != nil {
			p.family(k)
			p.histogram(k.labels, h)
		}
	}
	p.end()
	return s.out.Flush()
}

// Flush has nothing to do: what was appended is printed.
func (s *Sink) Flush(context.Context) error { return nil }

// nameOf returns the metric name of a series.
func nameOf(lset telemetry.Labels) string { return lset.Get(model.MetricNameLabel) }
