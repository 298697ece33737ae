// Package lane is what the senders of an endpoint decide by: what waits for each
// of them, how many there should be, and which series the receiver has newer
// samples of.
//
//	records of the log ─Put─► Lane ─Take─► one request ─► Lateness: without what is too late
//	                                           └─ how it went ─► Next(Pace): how many lanes
//
// Invariant: records leave a lane in the order in which they were put.
// Invariant: a lane holds at most as much as it is told, or a single record.
package lane
