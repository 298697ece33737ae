// Package report lets any node answer for the whole fleet. Each node describes
// itself; the one that is asked asks the others, waits for them up to a
// deadline, merges what they say, and names who did not answer.
//
// Out of the answers come three judgements: coverage, whether each target of
// each component has exactly one owner; drift, whether all nodes run the same
// configuration; and the verdict, all that is wrong in plain sentences.
//
// Merging and judging are pure functions of what the nodes said.
//
// Invariant: a node that does not answer delays nobody beyond the deadline,
// and is named.
package report
