// Package fleet is divvy fleet: what the nodes of a cluster do, asked of any one
// of them over HTTP, and said in words and tables.
//
//	divvy fleet status      the nodes, and whether all is well
//	divvy fleet targets     who scrapes what
//	divvy fleet owner       who scrapes this, since when, and why
//	divvy fleet coverage    whether each target has exactly one owner
//	divvy fleet events      who came, went and died
//	divvy fleet simulate    what would move if nodes came or went
//
// The node that is asked answers for all: it asks the others. Commands read the
// JSON of /api/v0/fleet/…, and with --json pass it on unchanged.
//
// Each command begins with its verdict, and its exit code says the same: 0, all
// is well; 1, something is wrong with the fleet; 2, the command line is wrong or
// the node could not be asked.
//
// Invariant: distances of time are told by the clock of the node that answered,
// so they are right on a machine whose clock is not.
// Invariant: what goes into a pipe is not coloured, and nothing is cut off.
package fleet
