// Package micro holds the measurements that the design of the scrape path rests
// on, as Go benchmarks, each beside what was not chosen:
//
//	hash     how text that has not changed is recognised
//	number   the parser of values
//	snappy   the compressor, by protocol and by size of a piece
//	gunzip   the decoder of compressed scrapes
//	append   writing to a log, with its checksum
//	wake     what it costs to wake up
//
//	make bench BENCH=-micro
//	go test -run '^$' -bench Snappy ./bench/micro
//
// The text is that of package testbed: what the collectors of package bench
// scrape. Results are CPU time of the process, as cpu-ns per sample, call or
// wake-up, so that other work on the machine spoils them less than it does the
// time on the wall.
//
// Invariant: whatever is compared yields the same: the tests say so.
//
// There is nothing to import.
package micro
