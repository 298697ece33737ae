// Package coverage judges whether each target of a component is scraped by one
// node, out of what the nodes know. It is pure: the nodes are asked elsewhere.
//
// It goes in two steps. First the keys alone are compared: those that all nodes
// know, and that one node is to serve, are well. The others are odd, and their
// labels are looked at. Targets at one place, an address and a path, that differ
// in some labels only are one target, which nodes know under several keys.
//
//	Books ─► Compare: odd keys ─► Marks ─► Judge: Places, and what is wrong there
//
// Invariant: a node that is of other software or did not answer is taken to serve
// what is its own, so that only what is known to be wrong is held to be wrong.
package coverage
