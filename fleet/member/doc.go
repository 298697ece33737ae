// Package member is this node's membership in the cluster: peers in, the
// latest owner.View out.
//
// It connects the pure parts to the world. roster decides; memberlist over
// package gossip finds peers; package ckit is what nodes of other software are
// told. Besides the gossip, divvy nodes talk to each other directly:
//
//	letters    POST /api/v1/divvy/letter: changes that want an acknowledgement,
//	           all entries for those who disagree, questions about the silent
//	lifelines  POST /api/v1/divvy/lifeline: a stream of pulses that stays open;
//	           its end and a refused redial say within a second that a process
//	           is gone, its silence says within three that a host is
//
// The gossip always runs with the timings of Grafana Alloy's nodes. Faster
// ones would hold healthy nodes of that kind for dead (they may not answer for
// five seconds), and memberlist cannot change its own while it runs. divvy
// nodes do not depend on them: between them the lifelines find the dead.
//
// The life of a Node:
//
//	Open ─► Run … Ready … Leave ─► Run is cancelled ─► Close
//
// Peers prove who they are by a certificate (Config.PeerCAs) or by a secret
// (Config.Secret). With neither, whoever reaches the listener is believed.
//
// Invariant: the roster and the table of states are touched with mu held;
// nothing is sent while it is held.
// Invariant: callbacks of memberlist only note what happened. What follows
// from it is done by Run's goroutines, which are joined when Run returns.
// Invariant: a node whose loop is late, because the process was stopped or
// starved, says and hears nothing until it has withdrawn (Config.Stall).
// Invariant: a node whose name another process has by right serves nothing and
// is silent in the gossip, where it would speak in the other one's name.
package member
