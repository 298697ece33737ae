// Package fetch gets pages over plain HTTP/1.1 for thousands of targets with
// one goroutine.
//
// net/http keeps two goroutines and two buffers for each connection and wakes
// four goroutines for each answer. Scraping needs none of that: a Loop keeps a
// bare file descriptor per idle connection, writes the requests of a tick one
// after another, waits for all answers at once and reads each straight into the
// buffer that it is walked in.
//
//	Get ─► queue ─► request written ─► answer read ─► Done
//	         └ no idle connection: dial, in a goroutine
//
// It speaks the part of HTTP/1.1 that exporters speak: an answer with a
// Content-Length or in chunks. Whatever goes beyond that is ErrUnusual: the
// caller asks again with net/http. Nothing is guessed.
//
// Reads and writes never block, so they are made without telling the
// scheduler (syscall.RawSyscall). Otherwise each would wake the runtime's
// monitor thread from its sleep, which then polls for a millisecond and costs
// more than the scrape.
//
// Invariant: Done is called once for each Get, by the Loop's goroutine, at most
// a moment after the deadline; then the page is the callee's until Put back.
// Invariant: a connection is idle, or has exactly one request on its way.
// Invariant: a connection whose answer was not read to its exact end is closed.
// Invariant: a request is repeated at most once, and only if its connection had
// been used before and no byte of an answer has come.
// Invariant: after Close no goroutine is alive and no descriptor open.
//
// It runs where epoll is (Linux). Elsewhere Open fails and net/http does it all.
package fetch
