package walk

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/telemetry"
)

// A recorder is a sink that writes everything down. It drops series whose
// label drop is not empty, and checks that holds and handles are used well.
type recorder struct {
	id     telemetry.SinkID
	epoch  telemetry.Epoch
	byText map[string]int
	series []string // by index
	holds  []int
	lines  []string // what was appended, one line for each sample
	faults []string
}

func newRecorder() *recorder {
	return &recorder{
		id: telemetry.NewSinkID(), epoch: telemetry.NextEpoch(),
		byText: map[string]int{}, series: []string{""}, holds: []int{0},
	}
}

func (r *recorder) Resolve(lset telemetry.Labels, _ *telemetry.Metadata) telemetry.Handle {
	if lset.Get("drop") != "" {
		return telemetry.Dropped
	}
	text := lset.String()
	i, ok := r.byText[text]
	if !ok {
		i = len(r.series)
		r.byText[text] = i
		r.series, r.holds = append(r.series, text), append(r.holds, 0)
	}
	r.holds[i]++
	return r.id.Handle(i)
}

func (r *recorder) Epoch() telemetry.Epoch { return r.epoch }

// change makes everything that was resolved out of date: equal labels get
// other handles from now on.
func (r *recorder) change() { r.epoch, r.byText = telemetry.NextEpoch(), map[string]int{} }

func (r *recorder) Append(b *telemetry.Batch) error {
	if b.Epoch != r.epoch {
		return telemetry.ErrEpoch
	}
	for _, s := range b.Samples {
		r.lines = append(r.lines, fmt.Sprintf("%s %s @%d", r.name(s.Handle), number(s.V), s.T))
	}
	for _, h := range b.Histograms {
		r.lines = append(r.lines, fmt.Sprintf("%s histogram @%d", r.name(h.Handle), h.T))
	}
	return nil
}

// name returns the labels of a series that somebody holds.
func (r *recorder) name(h telemetry.Handle) string {
	i, ok := r.id.Index(h)
	if !ok || i >= len(r.series) || r.holds[i] <= 0 {
		r.faults = append(r.faults, fmt.Sprintf("appended to a handle that nobody holds: %x", h))
		return "?"
	}
	return r.series[i]
}

func (r *recorder) Flush(context.Context) error { return nil }

func (r *recorder) Release(handles []telemetry.Handle) {
	for _, h := range handles {
		if h == telemetry.Dropped {
			continue
		}
		if i, ok := r.id.Index(h); !ok || r.holds[i] == 0 {
			r.faults = append(r.faults, fmt.Sprintf("released a handle that nobody holds: %x", h))
		} else {
			r.holds[i]--
		}
	}
}

// held lists the series that are held, with the number of holds.
func (r *recorder) held() map[string]int {
	out := map[string]int{}
	for i, n := range r.holds {
		if n > 0 {
			out[r.series[i]] = n
		}
	}
	return out
}

// take returns the lines so far and forgets them.
func (r *recorder) take() []string {
	lines := r.lines
	r.lines = nil
	return lines
}

// number formats a value, so that a staleness marker shows.
func number(v float64) string {
	if value.IsStaleNaN(v) {
		return "stale"
	}
	if math.IsNaN(v) && math.Float64bits(v) != value.NormalNaN {
		return "odd NaN"
	}
	return fmt.Sprint(v)
}
