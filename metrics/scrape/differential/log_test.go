package differential

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
)

// A batch is what one scrape appended, as lines without order.
type batch struct {
	lines []line
}

// A line is one thing that was appended.
type line struct {
	series string
	t      int64
	what   string
}

func (b *batch) sample(series string, t int64, v float64) {
	what := fmt.Sprint(v)
	switch {
	case value.IsStaleNaN(v):
		what = "stale"
	case math.IsNaN(v):
		what = fmt.Sprintf("NaN %x", math.Float64bits(v))
	}
	b.lines = append(b.lines, line{series, t, what})
}

func (b *batch) histogram(series string, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	what := ""
	if h != nil {
		what = fmt.Sprintf("%d %s %v", h.Schema, h, h.CustomValues)
	} else {
		what = fmt.Sprintf("%d %s %v", fh.Schema, fh, fh.CustomValues)
	}
	b.lines = append(b.lines, line{series, t, what})
}

func (b *batch) exemplar(series string, e exemplar.Exemplar) {
	b.lines = append(b.lines, line{series, e.Ts, fmt.Sprintf("exemplar %s %v", e.Labels, e.Value)})
}

func (b *batch) metadata(series, typ, unit, help string) {
	b.lines = append(b.lines, line{series, -1, fmt.Sprintf("metadata %s %q %q", typ, unit, help)})
}

// text lists the lines in order. Times are written as distances from the
// scrape's own, which is that of up; explicit ones, which are below limit, are
// written as they are. The duration of the scrape is left out.
func (b *batch) text(limit int64) string {
	var own int64
	for _, l := range b.lines {
		if strings.HasPrefix(l.series, `{__name__="up"`) && l.t > 0 {
			own = l.t
		}
	}
	var out []string
	for _, l := range b.lines {
		if strings.HasPrefix(l.series, `{__name__="scrape_duration_seconds"`) && l.what != "stale" && l.t >= 0 {
			l.what = "some"
		}
		when := fmt.Sprintf("%+d", l.t-own)
		if l.t < limit {
			when = fmt.Sprint(l.t)
		}
		out = append(out, fmt.Sprintf("%s %s @%s", l.series, l.what, when))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// A log collects batches.
type log struct {
	mu      sync.Mutex
	batches []batch
}

func (l *log) add(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, b)
}

// texts returns the batches so far.
func (l *log) texts(limit int64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, len(l.batches))
	for i := range l.batches {
		out[i] = l.batches[i].text(limit)
	}
	return out
}
