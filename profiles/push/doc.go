// Package push sends profiles to servers that speak the push API of Pyroscope,
// and keeps them on disk until the server has them.
//
// The log is the wire. Append encodes each profile straight into the body of
// the request that will carry it, and writes it to the log of every endpoint;
// when it returns the profile survives the process. Senders read the log and
// move its cursor when the server has answered.
//
//	Append ─► encode ─► queue.Log ─► dispatch ─► lanes ─► HTTP
//
// One request carries one profile. Several would have to be sent again, all of
// them, where the server refuses one, and what it had taken would count twice.
// The series decides the lane, so that its profiles stay in order; a lane has
// one request on its way at a time.
//
// What the server answers decides what happens (classify). Where nobody
// answers, or the answer speaks of the way or of who is sending, profiles wait
// on disk for as long as it takes. Where it may speak of the profile, that one
// is given up after max_backoff_retries.
//
// Profiles are delivered at least once: what was on its way when the process
// was killed, and what was answered in the second before, is sent again. It is
// the same then to the byte, its ID and its times included.
//
// Invariant: what Append took is dropped only by the server's answer or by the
// cap of the log, and always counted.
// Invariant: of what waits for a server, no more than maxFlight bytes, or a
// single profile, is in memory for each endpoint.
//
// Limitations: external labels are those of the time when a profile was
// appended. The cap counts bytes, so profiles are not dropped by age.
package push
