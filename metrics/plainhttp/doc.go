// Package plainhttp reads the part of HTTP/1.1 that plain answers are written
// in: a status line, header fields, and a body with a Content-Length or in
// chunks.
//
// It is for clients that know the bytes of an answer before they know where it
// ends: both the head and the chunks are read as far as they have come, from a
// buffer of the caller's, and nothing is copied that need not be.
//
//	| HTTP/1.1 200 OK | fields | empty line | body |
//	└── ParseHead ────────────────────────┘ └ Chunks.Decode, or Head.Length bytes
//
// What it reads, net/http reads the same way. The other way round is not wanted:
// an answer of HTTP/1.0, one that comes before another or points elsewhere, one
// without a length, trailers, extensions of chunks, and whatever two readers
// could understand in two ways, is ErrUnusual. Then the caller leaves it to
// net/http. Nothing is guessed.
//
// Invariant: it does no I/O, keeps no buffer, and allocates only for texts that
// the caller asked for.
//
// It is not a client; metrics/scrape/fetch and metrics/remote/post are.
package plainhttp
