// Package walk turns expositions into batches for a sink, with the help of what
// is remembered of each target.
//
//	page ─► inflate ─► by line (text), by comparison (OpenMetrics), ─► Batch ─► Sink.Append
//	                   or with Prometheus' parser (the rest)             │
//	                        ▲                                            ▼
//	                        └──────────────── Memory ◄────────────────commit
//
// What makes it cheap is the Memory of each target: one entry per line of its
// last exposition, in order, with the hash of the line's series text and the
// handle of the series in the sink. The next exposition is walked beside it;
// lines that are still the same cost a hash and the parsing of a number.
// Labels are built, checked and resolved once per series.
//
// A memory that is wrong would give samples to the wrong series, so it is
// checked (audit.go). An entry that was changed by anything but the walk, by a
// single bit or by a swap of two handles, is noticed by the next scrape, but for
// one time in 65,536, and its line is learnt anew. A collision of hashes, or a
// handle that was wrong from the beginning, is noticed within auditEvery
// scrapes of a target whose lines keep their order; the scrape that notices it is
// right, and the end of the former series is marked. Both are counted and logged.
//
// The semantics are those of Prometheus' scrape loop. Where they differ:
//
//   - A scrape that fails half-way ends every series of the target, also those
//     that were read before the fault.
//   - Once a scrape is beyond its sample limit, further series are counted but
//     not resolved, so scrape_samples_post_metric_relabeling counts them all.
//   - A body without a configured limit may have 256 MiB.
//   - A zero sample at the start timestamp of a series is written only if no
//     earlier scrape can have written a later one.
//   - When the sink's rules change, a series that goes on gets no marker, even
//     if it has other labels behind those rules from then on.
//
// Invariant: a scrape is one batch, appended whole or not at all, with its
// report series. The memory changes only after the batch was taken.
// Invariant: an entry of the memory holds its handle exactly once; a handle is
// released when its entry goes.
// Invariant: a Walk starts no goroutine and waits for nothing but the sink.
package walk
