// Package wire is what remote write sends: series as labels that are encoded
// already, requests while they are built, and requests on their way out.
//
//	Table   labels and metadata of every series, encoded once
//	Block   a write request that samples are being appended to
//	Record  a Block as the log of package queue keeps it, compressed
//	Load    what one HTTP request carries: Records, or a part of one
//	Audit   the check that Blocks say what they should
//
// A sample costs copying the bytes of its labels out of the Table, or their
// references in 2.0, and writing its number behind them. On the way out
// nothing is decoded, unless the receiver refuses a request and the offending
// series has to be found, or it turns out to know only 1.0.
//
// The usual series is written by moves of fixed size (run), the others byte by
// byte. Whether this, the Table and the compressor do what they should is
// checked while they do it: one piece in some is encoded twice and compared.
//
// Both versions of the protocol are in the comments by their numbers: 1.0 is
// the message prometheus.WriteRequest, where every series has its labels
// spelled out; 2.0 is io.prometheus.write.v2.Request, where labels are numbers
// of strings in a table that the request begins with.
//
// Nothing here reads a clock, does I/O or starts a goroutine.
//
// Invariant: what is encoded is what was given, down to the bits of every
// value: staleness markers, other NaNs and negative zero arrive as they are.
// Invariant: a piece that was found to say something else than it should is not
// sent, and from then on the endpoint's pieces are made by the simplest code.
// Invariant: a reference into a Table means the same label for as long as some
// series uses it; numbers of labels without users are given to others.
package wire
