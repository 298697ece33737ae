// Package demo shows a cluster at work: targets, a receiver and some nodes on
// one machine, of which nodes come, go and are killed while one watches.
//
//	            ┌─ node1 ─┐
//	targets ◄───┼─ node2 ─┼───► receiver
//	   │        └─ node3 ─┘        │
//	   └──────► testbed ◄──────────┘   who scraped what, and what arrived
//
// Targets and receiver are in this process. Each node is a process of its own,
// divvy run with the same configuration, so that killing one is a real kill -9.
// What is shown of nodes, they say themselves: their log says in what stage they
// are, their metrics what they own. What is shown of slots and scrapes is not
// asked of them, but counted where scrapes are answered and where they arrive.
//
// Invariant: a demo ends with all processes that it has started. On Linux they
// end also if it is killed itself.
// Invariant: it is one goroutine that acts and shows; processes only add to the
// journal.
package demo
