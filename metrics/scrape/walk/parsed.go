package walk

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/metrics/exposition"
	"github.com/divvy-collector/divvy/telemetry"
)

// A markStamp tells an exemplar from the one before it.
type markStamp struct {
	t    int64
	hash uint64 // of its labels
	v    float64
}

// A datum is one sample as a parser gives it.
type datum struct {
	text []byte
	t    int64 // exposition.NoTime: none
	v    float64
	h    *histogram.Histogram
	fh   *histogram.FloatHistogram
}

func (d *datum) isHistogram() bool { return d.h != nil || d.fh != nil }

// parsed walks a body with Prometheus' parser: in every format but text, and
// in text where samples depend on more than their own line.
func (w *Walk) parsed(body []byte, contentType string) error {
	p, err := textparse.New(body, contentType, nil, w.parserOptions())
	if p == nil {
		return err
	}
	w.family.parsed = &telemetry.Metadata{}
	for {
		kind, err := p.Next()
		if errors.Is(err, io.EOF) {
			w.noteLines(nil)
			return nil
		}
		if err != nil {
			return err
		}
		switch kind {
		case textparse.EntryType, textparse.EntryHelp, textparse.EntryUnit:
			w.parsedMeta(p, kind)
		case textparse.EntrySeries, textparse.EntryHistogram:
			if err := w.parsedSample(p, kind); err != nil {
				return err
			}
		}
	}
}

// parserOptions says what the parser makes of histograms and start timestamps.
func (w *Walk) parserOptions() textparse.ParserOptions {
	cfg := w.rules
	return textparse.ParserOptions{
		EnableTypeAndUnitLabels:                 cfg.TypeAndUnitLabels,
		IgnoreNativeHistograms:                  !w.target.Native,
		ConvertClassicHistogramsToNHCB:          w.target.NHCB,
		KeepClassicOnClassicAndNativeHistograms: w.target.Classic,
		OpenMetricsSkipSTSeries:                 cfg.StartTimestamps,
		FallbackContentType:                     cfg.DefaultType,
	}
}

// parsedMeta takes one entry of metadata. The parser gives type, help and unit
// of a family one after another; they add up until another family begins.
func (w *Walk) parsedMeta(p textparse.Parser, kind textparse.Entry) {
	if !w.rules.HonorMetadata {
		return
	}
	f := &w.family
	var name, text []byte
	var metric model.MetricType
	switch kind {
	case textparse.EntryType:
		name, metric = p.Type()
		text = []byte(metric)
	case textparse.EntryHelp:
		name, text = p.Help()
	default:
		name, text = p.Unit()
	}
	md := *f.parsed
	if string(name) != md.Family {
		md = telemetry.Metadata{Family: string(name), Type: model.MetricTypeUnknown}
		f.changed = ""
	}
	switch kind {
	case textparse.EntryType:
		md.Type = metric
	case textparse.EntryHelp:
		md.Help = string(text)
	default:
		md.Unit = string(text)
	}
	f.parsed = &md
	if w.outline.follows() {
		return // the line is noted as it is
	}
	line := slices.Concat([]byte{byte(kind)}, name, []byte{0xFF}, text)
	if !w.note(line, meta) {
		f.changed = md.Family
	}
}

// parsedSample takes one sample with all that hangs on it: its start timestamp
// and its exemplars. A histogram that cannot be reduced to the limits is counted
// and left out; the scrape fails at its end.
func (w *Walk) parsedSample(p textparse.Parser, kind textparse.Entry) error {
	w.Total++
	d := read(p, kind)
	w.noteLines(d.text)
	if kind == textparse.EntryHistogram && !d.isHistogram() {
		return fmt.Errorf("parse histogram %q: it is empty", d.text)
	}
	e, isNew, err := w.series(d.text, func() (lset telemetry.Labels) {
		p.Labels(&lset)
		return lset
	})
	if e == nil {
		return err
	}
	if d.isHistogram() && !w.reduce(&d) && e.handle != telemetry.Dropped {
		w.BucketLimit = true
		w.Added++
		return nil
	}
	h := e.handle
	last := w.lastOf(h)
	at, ok := w.admit(e, d.t)
	if !ok {
		return nil
	}
	if isNew {
		w.SeriesAdded++
	}
	if w.rules.StartTimestamps {
		w.start(h, at, p.StartTimestamp(), last, &d)
	} else {
		w.put(h, at, 0, &d)
	}
	w.exemplars(p, h, at, d.isHistogram())
	return nil
}

// read returns the sample that the parser is at.
func read(p textparse.Parser, kind textparse.Entry) datum {
	var d datum
	var t *int64
	if kind == textparse.EntryHistogram {
		d.text, t, d.h, d.fh = p.Histogram()
	} else {
		d.text, t, d.v = p.Series()
	}
	d.t = exposition.NoTime
	if t != nil {
		d.t = *t
	}
	return d
}

// put appends the datum; st is its start timestamp or 0.
func (w *Walk) put(h telemetry.Handle, t, st int64, d *datum) {
	b := &w.batch
	if d.isHistogram() {
		b.Histograms = append(b.Histograms, telemetry.HistogramSample{Handle: h, T: t, ST: st, H: d.h, FH: d.fh})
		return
	}
	if st != 0 {
		b.Starts = append(b.Starts, telemetry.Start{Index: len(b.Samples), T: st})
	}
	b.Samples = append(b.Samples, telemetry.Sample{Handle: h, T: t, V: d.v})
}

// lastOf returns a time before which nobody can still want to write the series
// of h: its last sample, or the target's last scrape, or one interval before
// this one if there was none.
func (w *Walk) lastOf(h telemetry.Handle) int64 {
	if last, ok := w.memory.stamps[h]; ok {
		return last
	}
	if w.memory.lastT != 0 {
		return w.memory.lastT
	}
	return w.now - w.target.Interval.Milliseconds()
}

// start appends the datum with its start timestamp st, and before it a zero
// sample at that time if the series began after last: so the receiver sees the
// first increase, and never a sample that is older than one it has.
func (w *Walk) start(h telemetry.Handle, t, st, last int64, d *datum) {
	if st > last && st < t {
		zero := datum{}
		switch {
		case d.h != nil:
			zero.h = &histogram.Histogram{Schema: d.h.Schema, ZeroThreshold: d.h.ZeroThreshold, CustomValues: d.h.CustomValues}
		case d.fh != nil:
			zero.fh = &histogram.FloatHistogram{Schema: d.fh.Schema, ZeroThreshold: d.fh.ZeroThreshold, CustomValues: d.fh.CustomValues}
		}
		w.put(h, st, 0, &zero)
	}
	w.put(h, t, st, d)
}

// reduce merges buckets of the histogram until it keeps the limits, and
// reports whether it does.
func (w *Walk) reduce(d *datum) bool {
	l := &w.rules.Limits
	limit, schema := int(l.Buckets), l.maxSchema()
	if d.h != nil {
		return reduce(d.h, &d.h.Schema, schema, func() bool {
			return limit == 0 || len(d.h.PositiveBuckets)+len(d.h.NegativeBuckets) <= limit
		})
	}
	return reduce(d.fh, &d.fh.Schema, schema, func() bool {
		return limit == 0 || len(d.fh.PositiveBuckets)+len(d.fh.NegativeBuckets) <= limit
	})
}

// reduce lowers the schema of h to most, and further until fits.
func reduce(h interface{ ReduceResolution(int32) error }, schema *int32, most int32, fits func() bool) bool {
	if !histogram.IsExponentialSchema(*schema) {
		return fits()
	}
	if *schema > most && h.ReduceResolution(most) != nil {
		return false
	}
	for !fits() {
		if *schema <= histogram.ExponentialSchemaMin || h.ReduceResolution(*schema-1) != nil {
			return false
		}
	}
	return true
}

// exemplars appends the exemplars of the sample that the parser is at, in
// order, without those that the series had at its last scrape.
func (w *Walk) exemplars(p textparse.Parser, h telemetry.Handle, t int64, ofHistogram bool) {
	e, list := &w.example, w.examples[:0]
	for {
		if *e = (exemplar.Exemplar{}); !p.Exemplar(e) {
			break
		}
		if !e.HasTs && ofHistogram {
			continue // cannot be told from the same one seen before
		}
		if !e.HasTs {
			e.Ts = t
		}
		list = append(list, *e)
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, exemplar.Compare)
	refused := 0
	for _, e := range list {
		if !w.exemplar(h, e) {
			refused++
		}
	}
	if refused == len(list) {
		w.ExemplarsOutOfOrder += refused
	}
	clear(list)
	w.examples = list
}

// exemplar appends e unless it repeats the latest of the series. It returns
// false if e is older than that.
func (w *Walk) exemplar(h telemetry.Handle, e exemplar.Exemplar) bool {
	mark := markStamp{t: e.Ts, hash: e.Labels.Hash(), v: e.Value}
	last, ok := w.marked[h]
	if !ok {
		last, ok = w.memory.marks[h]
	}
	if ok {
		same := last.hash == mark.hash && last.v == mark.v && (last.t == mark.t || !e.HasTs)
		if same {
			return true
		}
		if mark.t < last.t {
			return false
		}
	}
	w.marked[h] = mark
	w.batch.Exemplars = append(w.batch.Exemplars, telemetry.ExemplarSample{Handle: h, Exemplar: e})
	return true
}
