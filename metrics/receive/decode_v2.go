package receive

import (
	"errors"
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/divvy-collector/divvy/telemetry"
)

// decodeV2 decodes io.prometheus.write.v2.Request. limit bounds the memory that
// it may take; an error says that nothing of the body can be used. If typed,
// the type and the unit of a series become labels of it.
func decodeV2(body []byte, limit int, typed bool) (request, error) {
	if _, err := requestV2Shape.withinBudget(body, limit); err != nil {
		return request{}, fmt.Errorf("decode request: %w", err)
	}
	var req writev2.Request
	if err := req.Unmarshal(body); err != nil {
		return request{}, fmt.Errorf("decode request: %w", err)
	}
	d := decoderV2{symbols: req.Symbols, typed: typed, set: labelSet{left: limit}}
	d.out.series = make([]series, 0, len(req.Timeseries))
	for i := range req.Timeseries {
		d.add(&req.Timeseries[i])
	}
	return d.out, nil
}

// A decoderV2 turns references to symbols into labels.
type decoderV2 struct {
	symbols []string
	typed   bool
	set     labelSet
	out     request
}

// add adds ts to the request, or a fault.
func (d *decoderV2) add(ts *writev2.TimeSeries) {
	s, err := d.series(ts)
	if err != nil {
		d.out.fault(err)
		return
	}
	for i := range ts.Exemplars {
		e := &ts.Exemplars[i]
		lset, err := d.labels(e.LabelsRefs, (*labelSet).labels)
		if err != nil {
			d.out.fault(fmt.Errorf("exemplar of %s: %w", s.labels, err))
			continue
		}
		s.exemplars = append(s.exemplars, exemplar.Exemplar{Labels: lset, Value: e.Value, Ts: e.Timestamp, HasTs: e.Timestamp != 0})
	}
	d.out.series = append(d.out.series, s)
}

// series returns ts without its exemplars.
func (d *decoderV2) series(ts *writev2.TimeSeries) (series, error) {
	lset, err := d.labels(ts.LabelsRefs, (*labelSet).metric)
	if err != nil {
		return series{}, err
	}
	s := series{labels: lset, samples: make([]sample, len(ts.Samples))}
	if s.md, err = d.metadata(ts, lset.Get(model.MetricNameLabel)); err != nil {
		return series{}, fmt.Errorf("metadata of %s: %w", lset, err)
	}
	if d.typed && s.md != nil {
		s.labels = withType(lset, s.md)
	}
	for i, p := range ts.Samples {
		s.samples[i] = sample{t: p.Timestamp, start: p.StartTimestamp, v: p.Value}
	}
	for i := range ts.Histograms {
		h, err := histogramV2(&ts.Histograms[i])
		if err != nil {
			return series{}, fmt.Errorf("histogram of %s: %w", lset, err)
		}
		s.histograms = append(s.histograms, h)
	}
	return s, nil
}

// labels resolves pairs of references.
func (d *decoderV2) labels(refs []uint32, finish func(*labelSet) (telemetry.Labels, error)) (telemetry.Labels, error) {
	if len(refs)%2 != 0 {
		return telemetry.Labels{}, errors.New("a label name without a value")
	}
	d.set.reset()
	for i := 0; i < len(refs); i += 2 {
		name, err := d.symbol(refs[i])
		if err != nil {
			return telemetry.Labels{}, err
		}
		value, err := d.symbol(refs[i+1])
		if err != nil {
			return telemetry.Labels{}, err
		}
		if err := d.set.add(name, value); err != nil {
			return telemetry.Labels{}, err
		}
	}
	return finish(&d.set)
}

// symbol returns what a reference stands for.
func (d *decoderV2) symbol(ref uint32) (string, error) {
	if uint64(ref) >= uint64(len(d.symbols)) {
		return "", fmt.Errorf("symbol %d of %d", ref, len(d.symbols))
	}
	return d.symbols[ref], nil
}

// metadata returns what ts says about its family, or nil if it says nothing.
func (d *decoderV2) metadata(ts *writev2.TimeSeries, name string) (*telemetry.Metadata, error) {
	if ts.Metadata.Type == writev2.Metadata_METRIC_TYPE_UNSPECIFIED && ts.Metadata.HelpRef == 0 && ts.Metadata.UnitRef == 0 {
		return nil, nil
	}
	help, err := d.symbol(ts.Metadata.HelpRef)
	if err != nil {
		return nil, err
	}
	unit, err := d.symbol(ts.Metadata.UnitRef)
	if err != nil {
		return nil, err
	}
	t, known := typesV2[ts.Metadata.Type]
	if !known {
		t = model.MetricTypeUnknown
	}
	return &telemetry.Metadata{Family: familyOf(name, t), Type: t, Unit: unit, Help: help}, nil
}

// typesV2 translates the types of version 2.0; others are unknown.
var typesV2 = map[writev2.Metadata_MetricType]model.MetricType{
	writev2.Metadata_METRIC_TYPE_COUNTER:        model.MetricTypeCounter,
	writev2.Metadata_METRIC_TYPE_GAUGE:          model.MetricTypeGauge,
	writev2.Metadata_METRIC_TYPE_HISTOGRAM:      model.MetricTypeHistogram,
	writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM: model.MetricTypeGaugeHistogram,
	writev2.Metadata_METRIC_TYPE_SUMMARY:        model.MetricTypeSummary,
	writev2.Metadata_METRIC_TYPE_INFO:           model.MetricTypeInfo,
	writev2.Metadata_METRIC_TYPE_STATESET:       model.MetricTypeStateset,
}

// histogramV2 returns a histogram, or what contradicts itself in it.
func histogramV2(p *writev2.Histogram) (telemetry.HistogramSample, error) {
	h := telemetry.HistogramSample{T: p.Timestamp, ST: p.StartTimestamp}
	if p.IsFloatHistogram() {
		h.FH = p.ToFloatHistogram()
	} else {
		h.H = p.ToIntHistogram()
	}
	return h, validate(h)
}
