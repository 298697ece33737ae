// Package gossip carries memberlist's packets and streams over HTTP/2 on the
// ordinary listener of a node. It speaks the protocol of Grafana Alloy's
// cluster library, so nodes of both kinds can gossip with each other.
//
// Two routes below BasePath take POST requests over HTTP/2 with the content
// type ContentType:
//
//	message   body: frames, each one packet; answered when all are taken
//	stream    bodies in both directions: frames whose payloads, one after
//	          the other, are the bytes of a connection; answered at once
//
// A refusal is a status: 505 over HTTP/1, 400 for another content type or for
// a malformed frame, 503 after Shutdown, while the gate is closed and when too
// many streams are open in all, 429 when one address has or opens too many.
//
// Packets are best effort. Each peer has its own bounded queue and its own
// worker, which ends when the queue is empty, so a peer that is silent delays
// nobody but itself. A full queue drops its oldest packet. The same holds for
// packets that came in: each address has a queue, so one that floods us loses
// its own packets only. Packets and streams use different connections: a
// stream proves something while the packets' connection is stuck.
//
// The gate fences a node off: while it is closed nothing passes in or out.
//
// Invariant: every packet is counted once, as passed or as failed.
// Invariant: when SetGate(true) or Shutdown returns, no packet, byte of a
// stream or goroutine of before is under way, on our side.
// Invariant: memory is claimed for bytes that arrived, never for bytes that a
// header promises.
//
// A Transport is made by New, which starts nothing, and lives until Shutdown,
// which memberlist calls. The package does not authenticate peers: that is for
// the TLS of the listener, or for what wraps Handler.
package gossip
