// Package report lets any node answer for the whole fleet. Each node describes
// itself; the one that is asked asks the others, waits for them up to a
// deadline, merges what they say, and names who did not answer.
//
//	Config's functions ─► this node ─┐
//	                                 ├─► merge ─► Fleet, Page, Detail, Event …
//	Config.Ask ─► the others' Answer ┘
//
// Who scrapes a target is what the nodes say of themselves: each goes through its
// targets with its own View. So where they disagree it shows.
//
// Out of the answers come three judgements: coverage, whether each target of
// each component is scraped by one node (package coverage); drift, whether all
// nodes run the same configuration; and the verdict, all that is wrong in plain
// sentences. Run keeps the first two current without anybody asking, and a
// timeline of what happened. What nodes ask each other is in wire.go.
//
// Invariant: a node that does not answer delays nobody beyond the deadline,
// and is named.
// Invariant: what one of several who look at the same moment has asked for is
// not asked again for the others.
// Invariant: what was not seen twice, half an interval apart, is no fault.
package report
