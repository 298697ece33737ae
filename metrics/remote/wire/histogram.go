package wire

import (
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/divvy-collector/divvy/telemetry"
)

// appendHistogram appends the fields of the message Histogram, which are the
// same in both versions but for the start timestamp, which only 2.0 knows.
func appendHistogram(b []byte, s telemetry.HistogramSample, withStart bool) []byte {
	if s.H != nil {
		b = appendIntHistogram(b, s.H)
	} else {
		b = appendFloatHistogram(b, s.FH)
	}
	b = appendVarint(append(b, tag(15, wireVarint)), uint64(s.T))
	b = appendCustom(b, customValues(s))
	if withStart && s.ST != 0 {
		b = appendVarint(appendVarint(b, 17<<3|wireVarint), uint64(s.ST))
	}
	return b
}

// appendIntHistogram appends a histogram whose buckets count in integers, each
// as the difference to the one before.
func appendIntHistogram(b []byte, h *histogram.Histogram) []byte {
	b = appendVarint(append(b, tag(1, wireVarint)), h.Count)
	b = appendDouble(append(b, tag(3, wireFixed)), h.Sum)
	b = appendSigned(append(b, tag(4, wireVarint)), int64(h.Schema))
	b = appendDouble(append(b, tag(5, wireFixed)), h.ZeroThreshold)
	b = appendVarint(append(b, tag(6, wireVarint)), h.ZeroCount)
	b = appendDeltas(appendSpans(b, 8, h.NegativeSpans), 9, h.NegativeBuckets)
	b = appendDeltas(appendSpans(b, 11, h.PositiveSpans), 12, h.PositiveBuckets)
	return appendVarint(append(b, tag(14, wireVarint)), uint64(h.CounterResetHint))
}

// appendFloatHistogram appends a histogram whose buckets hold absolute floats.
func appendFloatHistogram(b []byte, h *histogram.FloatHistogram) []byte {
	b = appendDouble(append(b, tag(2, wireFixed)), h.Count)
	b = appendDouble(append(b, tag(3, wireFixed)), h.Sum)
	b = appendSigned(append(b, tag(4, wireVarint)), int64(h.Schema))
	b = appendDouble(append(b, tag(5, wireFixed)), h.ZeroThreshold)
	b = appendDouble(append(b, tag(7, wireFixed)), h.ZeroCount)
	b = appendDoubles(appendSpans(b, 8, h.NegativeSpans), tag(10, wireBytes), h.NegativeBuckets)
	b = appendDoubles(appendSpans(b, 11, h.PositiveSpans), tag(13, wireBytes), h.PositiveBuckets)
	return appendVarint(append(b, tag(14, wireVarint)), uint64(h.CounterResetHint))
}

// customValues returns the bounds of custom buckets, upper ends ascending.
func customValues(s telemetry.HistogramSample) []float64 {
	if s.H != nil {
		return s.H.CustomValues
	}
	return s.FH.CustomValues
}

// appendCustom appends the bounds of custom buckets. Their field number, 16,
// is the first whose tag takes two bytes.
func appendCustom(b []byte, list []float64) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendVarint(b, 16<<3|wireBytes)
	b = appendVarint(b, uint64(8*len(list)))
	for _, v := range list {
		b = appendDouble(b, v)
	}
	return b
}

// appendSpans appends runs of buckets: the gap to the run before, and how many.
func appendSpans(b []byte, field byte, spans []histogram.Span) []byte {
	for _, s := range spans {
		var at int
		b, at = begin(b, tag(field, wireBytes), 1)
		b = appendSigned(append(b, tag(1, wireVarint)), int64(s.Offset))
		b = appendVarint(append(b, tag(2, wireVarint)), uint64(s.Length))
		b = end(b, at, 1)
	}
	return b
}

// appendDeltas appends the counts of buckets, each less the one before, packed.
func appendDeltas(b []byte, field byte, list []int64) []byte {
	if len(list) == 0 {
		return b
	}
	b, at := begin(b, tag(field, wireBytes), 1)
	for _, v := range list {
		b = appendSigned(b, v)
	}
	return end(b, at, 1)
}

// appendDoubles appends a packed list of floats behind a one-byte tag.
func appendDoubles(b []byte, tag byte, list []float64) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendVarint(append(b, tag), uint64(8*len(list)))
	for _, v := range list {
		b = appendDouble(b, v)
	}
	return b
}
