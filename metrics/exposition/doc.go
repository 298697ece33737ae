// Package exposition reads the text format in which targets expose their
// metrics (Prometheus text 0.0.4 and 1.0.0), one line at a time, without
// allocating.
//
// A line of a series is
//
//	series text            tail
//	┌──────────┴─────────┐┌────┴──────────┐
//	name{label="value",…} 12.5 1700000000000
//
// Between two scrapes the series text of a line rarely changes and the tail
// nearly always does. So Tail reads a tail alone, for a caller who has
// recognised the series text, and Line.Parse reads a whole line, for one who
// has not. Labels are built by Line.Labels, once per series.
//
// The other formats (OpenMetrics, protobuf) are not read here: Prometheus'
// textparse package does that. It is also the oracle of this package's tests.
//
// Invariant: everything here is pure; input is never changed or kept.
// Invariant: a body that Line.Parse reads to its end gives the series, values
// and timestamps that textparse gives, and where textparse gives an error
// Line.Parse gives one. Bodies with a NUL byte are excepted: textparse ends
// some of them early without an error, so callers leave those to it.
package exposition
