// Package remote sends samples to receivers of Prometheus remote write, and
// keeps them on disk until the receiver has them.
//
// The log is the wire. Append encodes a batch straight into the write request
// that will be sent, which is compressed piece by piece. At the latest 250 ms
// after its first sample it is appended to the endpoint's log, with one write
// for all that is open; from then on the samples survive the process. Senders
// read the log in order and move its cursor when the receiver has answered.
//
//	Resolve ─► table of series        once per series and generation of rules
//	Append  ─► block of a lane        per sample: copy its labels, put the number
//	commit  ─► queue.Log              every 250 ms, CommitSoon or Flush
//	dispatch ─► lanes ─► HTTP         each lane one request at a time
//
// A lane is chosen by the batch's key, so a series stays in one lane and its
// samples in order. The number of lanes follows the load; each record says how
// many there were when it was written, and where that number changes delivery
// waits until everything before has arrived.
//
// What the receiver answers decides what happens (classify): it is retried for
// ever, or the offending series is searched and dropped alone (isolate). Of a
// series that was refused as too late what waits is dropped unasked (lane.Lateness).
//
// One piece of a request in some is checked before it is written to the log
// (wire.Audit), since a receiver would take wrong samples like right ones.
//
// Samples are delivered at least once: after a crash, those whose answer was
// not noted on disk yet are sent again, with equal values and times.
//
// Invariant: a batch is in every endpoint's blocks whole or not at all.
// Invariant: what a commit wrote is dropped only by the receiver's refusal, by
// sample_age_limit or by the cap of the log, and always counted.
// Invariant: no label is touched and nothing is allocated per sample.
//
// Limitations: requests are built when samples come, not when they are sent,
// so batch_send_deadline is an upper bound that always holds, requests of 2.0
// are not merged, and new external labels or rules do not reach what is in the
// log already.
package remote
