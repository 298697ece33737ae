// Package member is this node's membership in the cluster: peers in, the
// latest owner.View out.
//
// It connects the pure parts to the world. roster decides; memberlist over
// package gossip finds peers and detects failures; package ckit is what nodes
// of other software are told. Besides the gossip, divvy nodes talk to each
// other directly:
//
//	letters    POST /api/v1/divvy/letter: changes that want an acknowledgement,
//	           all entries for those who disagree, questions about the silent
//	lifelines  POST /api/v1/divvy/lifeline: a stream of pulses that stays open;
//	           its end, and a refused redial, say within a second that a
//	           process is gone
//
// The life of a Node:
//
//	Open ─► Run … Ready … Leave ─► Run is cancelled ─► Close
//
// Invariant: the roster and the table of states are touched with mu held;
// nothing is sent while it is held.
// Invariant: callbacks of memberlist only note what happened. What follows
// from it is done by Run's goroutines, which are joined when Run returns.
// Invariant: a node whose loop is late, because the process was stopped or
// starved, says and hears nothing until it has withdrawn (Config.Stall).
package member
