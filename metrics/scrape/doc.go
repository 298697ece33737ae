// Package scrape fetches the expositions of targets at their slots and turns
// each into one batch for a sink.
//
//	schedule.Clock ─► serve ─► package fetch ─► package walk ─► Sink.Append ─► CommitSoon
//	  (slots)          │      (plain HTTP: one   (one Walk per processor)        (the tick is done)
//	                   │       goroutine for all)
//	                   └─► net/http (the rest: a goroutine per scrape in flight)
//
// The semantics are those of Prometheus' scrape loop. Where they differ, besides
// what package walk says:
//
//   - A scrape belongs to a slot, an instant that depends on the target alone
//     (package owner). Samples carry the slot's time, or the actual time if the
//     scrape began later than 2 ms or 1 % of the interval after it.
//   - A target that another node takes over gets no marker (handover.go). What
//     is remembered of it is kept for two intervals, in case it comes back or its
//     new owner says that it ended on the way.
//   - The first samples of a target that comes from another node are kept back
//     until that one has delivered its own, five seconds at most (hold.go).
//   - When a target goes away and another with the same labels goes on with its
//     series, these are not marked as ended.
//
// Invariant: where targets are shared, a scrape that ends more than a second
// after its timeout is thrown away: this process was stopped, and the slot may
// have been served by another node.
// Invariant: a target has at most one scrape in flight, and keeps another one
// waiting for a processor only, or while a small body is worked on.
// Invariant: when Run returns, no goroutine of the pool is alive.
package scrape
