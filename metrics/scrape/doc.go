// Package scrape fetches the expositions of targets at their slots and turns
// each into one batch for a sink.
//
//	schedule.Clock ─► serve ─► package fetch ─► walk ─► Sink.Append ─► CommitSoon
//	  (slots)          │      (plain HTTP: one   (one per processor)   (the tick is done)
//	                   │       goroutine for all)
//	                   └─► net/http (the rest: a goroutine per scrape in flight)
//
// What makes it cheap is the memory of each target: one entry per line of its
// last exposition, in order, with the hash of the line's series text and the
// handle of the series in the sink. The next exposition is walked beside it;
// lines that are still the same cost a hash and the parsing of a number.
// Labels are built, checked and resolved once per series.
//
// The semantics are those of Prometheus' scrape loop. Where they differ:
//
//   - A scrape belongs to a slot, an instant that depends on the target alone
//     (package owner). Samples carry the slot's time, or the actual time if the
//     scrape began later than 2 ms or 1 % of the interval after it.
//   - A scrape that fails half-way ends every series of the target, also those
//     that were read before the fault.
//   - Once a scrape is beyond its sample limit, further series are counted but
//     not resolved, so scrape_samples_post_metric_relabeling counts them all.
//   - A body without a configured limit may have 256 MiB.
//   - A zero sample at the start timestamp of a series is written only if no
//     earlier scrape can have written a later one.
//   - When the sink's rules change, a series that goes on gets no marker, even
//     if it has other labels behind those rules from then on.
//   - A target that another node takes over gets no marker (handover.go). What
//     is remembered of it is kept for two intervals, in case it comes back or its
//     new owner says that it ended on the way.
//   - The first samples of a target that comes from another node are kept back
//     until that one has delivered its own, five seconds at most (hold.go).
//   - When a target goes away and another with the same labels goes on with its
//     series, these are not marked as ended.
//
// Invariant: a scrape is one batch, appended whole or not at all, with its
// report series. The memory changes only after the batch was taken.
// Invariant: where targets are shared, a scrape that ends more than a second
// after its timeout is thrown away: this process was stopped, and the slot may
// have been served by another node.
// Invariant: an entry of the memory holds its handle exactly once; a handle is
// released when its entry goes.
// Invariant: a target has at most one scrape in flight, and keeps another one
// waiting for a processor only, or while a small body is worked on.
// Invariant: when Run returns, no goroutine of the pool is alive.
package scrape
