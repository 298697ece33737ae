package receive

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/telemetry"
)

// decodeV1 decodes prometheus.WriteRequest. limit bounds the memory that it may
// take; an error says that nothing of the body can be used.
func decodeV1(body []byte, limit int) (request, error) {
	if _, err := requestV1Shape.withinBudget(body, limit); err != nil {
		return request{}, fmt.Errorf("decode request: %w", err)
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(body); err != nil {
		return request{}, fmt.Errorf("decode request: %w", err)
	}
	out := request{series: make([]series, 0, len(req.Timeseries))}
	set := labelSet{left: limit}
	for i := range req.Timeseries {
		out.addV1(&req.Timeseries[i], &set)
	}
	for i := range req.Metadata {
		m := &req.Metadata[i]
		out.families = append(out.families, telemetry.Metadata{
			Family: m.MetricFamilyName,
			Type:   typesV1[m.Type],
			Unit:   m.Unit,
			Help:   m.Help,
		})
	}
	return out, nil
}

// typesV1 translates the types of version 1.0; the zero value is unknown.
var typesV1 = map[prompb.MetricMetadata_MetricType]model.MetricType{
	prompb.MetricMetadata_UNKNOWN:        model.MetricTypeUnknown,
	prompb.MetricMetadata_COUNTER:        model.MetricTypeCounter,
	prompb.MetricMetadata_GAUGE:          model.MetricTypeGauge,
	prompb.MetricMetadata_HISTOGRAM:      model.MetricTypeHistogram,
	prompb.MetricMetadata_GAUGEHISTOGRAM: model.MetricTypeGaugeHistogram,
	prompb.MetricMetadata_SUMMARY:        model.MetricTypeSummary,
	prompb.MetricMetadata_INFO:           model.MetricTypeInfo,
	prompb.MetricMetadata_STATESET:       model.MetricTypeStateset,
}

// addV1 adds ts to the request, or a fault.
func (r *request) addV1(ts *prompb.TimeSeries, set *labelSet) {
	lset, err := labelsV1(ts.Labels, set, (*labelSet).metric)
	if err != nil {
		r.fault(err)
		return
	}
	s := series{labels: lset, samples: make([]sample, len(ts.Samples))}
	for i, p := range ts.Samples {
		s.samples[i] = sample{t: p.Timestamp, v: p.Value}
	}
	for i := range ts.Histograms {
		h, err := histogramV1(&ts.Histograms[i])
		if err != nil {
			r.fault(fmt.Errorf("histogram of %s: %w", lset, err))
			return
		}
		s.histograms = append(s.histograms, h)
	}
	for _, e := range ts.Exemplars {
		lset, err := labelsV1(e.Labels, set, (*labelSet).labels)
		if err != nil {
			r.fault(fmt.Errorf("exemplar of %s: %w", s.labels, err))
			continue
		}
		s.exemplars = append(s.exemplars, exemplar.Exemplar{Labels: lset, Value: e.Value, Ts: e.Timestamp, HasTs: e.Timestamp != 0})
	}
	r.series = append(r.series, s)
}

// labelsV1 returns the labels of list, checked by finish for what they are of.
func labelsV1(list []prompb.Label, set *labelSet, finish func(*labelSet) (telemetry.Labels, error)) (telemetry.Labels, error) {
	set.reset()
	for _, l := range list {
		if err := set.add(l.Name, l.Value); err != nil {
			return telemetry.Labels{}, err
		}
	}
	return finish(set)
}

// histogramV1 returns a histogram, or what contradicts itself in it.
func histogramV1(p *prompb.Histogram) (telemetry.HistogramSample, error) {
	h := telemetry.HistogramSample{T: p.Timestamp}
	if p.IsFloatHistogram() {
		h.FH = p.ToFloatHistogram()
	} else {
		h.H = p.ToIntHistogram()
	}
	return h, validate(h)
}

// validate reports a histogram whose buckets contradict themselves.
func validate(h telemetry.HistogramSample) error {
	if h.FH != nil {
		return h.FH.Validate()
	}
	return h.H.Validate()
}
