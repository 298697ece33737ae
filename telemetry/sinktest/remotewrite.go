package sinktest

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// Decode1 reads a remote write 1.0 request, uncompressed, with the library of Prometheus.
func Decode1(raw []byte) (points []Point, md []prompb.MetricMetadata, err error) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		return nil, nil, fmt.Errorf("decode 1.0: %w", err)
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		name := ts.ToLabels(&b, nil).String()
		for _, s := range ts.Samples {
			points = append(points, Point{Series: name, T: s.Timestamp, V: s.Value})
		}
		for _, h := range ts.Histograms {
			p := Point{Series: name, T: h.Timestamp}
			if h.IsFloatHistogram() {
				p.FH = h.ToFloatHistogram()
			} else {
				p.H = h.ToIntHistogram()
			}
			points = append(points, p)
		}
		for _, e := range ts.Exemplars {
			points = append(points, Point{Series: name, T: e.Timestamp, V: e.Value, Exemplar: e.ToExemplar(&b, nil).Labels.String()})
		}
	}
	return points, req.Metadata, nil
}

// Decode2 reads a remote write 2.0 request, uncompressed, with the library of Prometheus.
func Decode2(raw []byte) (points []Point, err error) {
	var req writev2.Request
	if err := req.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("decode 2.0: %w", err)
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		lset, err := ts.ToLabels(&b, req.Symbols)
		if err != nil {
			return nil, fmt.Errorf("decode 2.0: %w", err)
		}
		name := lset.String()
		for _, s := range ts.Samples {
			points = append(points, Point{Series: name, T: s.Timestamp, V: s.Value, ST: s.StartTimestamp})
		}
		for _, h := range ts.Histograms {
			p := Point{Series: name, T: h.Timestamp, ST: h.StartTimestamp}
			if h.IsFloatHistogram() {
				p.FH = h.ToFloatHistogram()
			} else {
				p.H = h.ToIntHistogram()
			}
			points = append(points, p)
		}
		for _, e := range ts.Exemplars {
			ex, err := e.ToExemplar(&b, req.Symbols)
			if err != nil {
				return nil, fmt.Errorf("decode 2.0: %w", err)
			}
			points = append(points, Point{Series: name, T: e.Timestamp, V: e.Value, Exemplar: ex.Labels.String()})
		}
	}
	return points, nil
}
