// Package post sends requests over plain HTTP/1.1 from the goroutine that has
// them.
//
// net/http hands each request to a goroutine that writes and each answer to one
// that reads, and copies the body through a buffer. A sender of remote write
// has one request at a time and waits for the answer, so it can write and read
// by itself: one call for head and body, and one for the answer.
//
//	Post ─► idle connection, or dial ─► write head and body ─► read the answer
//	                                          │                    │
//	                                          └ socket full:       └ nothing yet:
//	                                            the runtime's poller waits
//
// On Linux the calls are made without telling the scheduler, as in
// metrics/scrape/fetch and for the same reason: they never block, and each would
// wake the runtime's monitor thread.
//
// It is for addresses that are known in advance and need no more than a fixed
// head: no TLS, no proxy, no redirects. An answer that metrics/plainhttp does
// not read is ErrUnusual; the caller sends the request again with net/http. So
// a request must be one that may arrive twice.
//
// Invariant: a connection has one request at a time, and is kept only if its
// answer was read to the exact end.
// Invariant: a request is repeated at most once by Post, and only if its
// connection had been used before and no byte of an answer has come.
// Invariant: no goroutine outlives Post, and no connection is kept after Close.
package post
