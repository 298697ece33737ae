// Package testbed is the world around a collector: targets to scrape and a
// receiver to write to, which between them know whether anything was lost.
//
//	Fleet ──scrape──► collector ──remote write──► Receiver
//	  │ every answer carries a number                │ every number is booked
//	  └───────────────► Check ◄──────────────────────┘
//
// Each target counts the scrapes that it answered and shows the count as
// testbed_scrapes_total{target="t0007"}. The receiver books every count that
// arrives. Check compares the two: a count that was answered and never arrived
// is a lost scrape, one that arrived twice is a duplicate. CheckSlots looks at
// the targets alone: whether each was scraped once in every interval, and, if
// collectors say who they are (NodeHeader), by whom.
//
// Fleet and Receiver are http.Handlers; Open serves both on loopback. Both can
// be told to misbehave while they run (Mode, Fault). The demo, the process
// tests and the benchmark use the same code; for the benchmark it runs as a
// program of its own, cmd/testbed.
//
// Invariant: a target's count rises by one with every scrape it answers, so
// two scrapes are told apart whoever made them.
// Invariant: the receiver counts a request whole or not at all.
// Invariant: an answer costs little more than copying it, so that the fleet
// and the receiver of a measurement fit beside it on the second core.
//
// It is not a time series database: it keeps counts, and samples only where
// ReceiverConfig.Record asks for them.
package testbed
