// Package graph turns the text of a configuration into a plan: which blocks
// there are, what each of them is, what it refers to, and in which order they
// are evaluated. It is pure: it reads no clock, no disk and no network, and
// starts nothing. Package pipeline gives a plan life.
//
//	sources ──Parse──► body ──Plan──► Module ──► Nodes, in order
//	                                    │
//	                                    └ Declares: Modules that Nodes instantiate
//
// A Module is one body of blocks: the root, the inside of a declare block, the
// inside of a template of a foreach block, or an imported file. A Node is one
// block of it that is evaluated. A Module is a plan: a declare block that is
// instantiated three times has one Module, and package pipeline keeps three
// sets of values for it.
//
// Every mistake is a diagnostic with file, line and column, and says what to
// do; all of them are reported, not just the first.
//
// Invariant: in Module.Nodes, each node comes after the nodes in its After.
// Invariant: a Module is not changed any more once Plan has returned it
// without errors, except that evaluating it marks secrets in the syntax tree;
// so one Module is evaluated by one goroutine at a time.
package graph
