// Package receive takes metrics that others push: it answers remote write
// requests, versions 1.0 and 2.0, and appends what they carry to a sink.
//
//	request ─► bounds ─► snappy ─► protobuf ─► series ─► handles ─► sink ─► flush ─► 204
//
// A request is acknowledged only after the sink has committed it, so what a
// sender was told about survives the death of the process. When the sink
// cannot take it the answer is 503 and the sender keeps it; parts of it may
// have been taken by then, and arrive twice. What is malformed is 400: series
// that are well-formed are taken all the same, the others are named.
//
// Handles of series are remembered between requests, so that a series costs
// its labels once per request but its rules only once. Series that are not
// sent for a while are forgotten and released.
//
// Order: the samples of a series stay in the order in which they came. The
// series are spread over a fixed number of lanes by their labels, each with a
// batch key of its own, so that one busy sender can be delivered in parallel.
//
// Invariant: no request makes the process allocate more than a constant times
// its bounds, whatever its bytes say.
// Invariant: each hold on a handle is in the cache, or pinned by a request, and
// is released when it leaves both.
package receive
