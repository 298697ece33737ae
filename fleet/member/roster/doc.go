// Package roster decides who is in the cluster and when: the pure core of
// membership. It is told what happened (a peer spoke, fell silent, announced a
// date; time passed; this node can serve, or wants to leave) and answers with
// what to do (tell peers, ask them, announce) and with the owner.View that
// follows. It reads no clock, draws no random number and talks to nobody, so a
// thousand histories of it can be played in a second.
//
// Each life of a node, that is each start of its process, is an Entry:
//
//	announced ──► From ──serves──► Until ──► departed, kept a minute
//	    │                  │
//	    ├──────────────────┴──► down: found dead at DownAt
//	    └── fenced, or moved ─► former window; announced anew
//
// Entries are merged like this: the higher Seq wins; at the same Seq an entry
// that says down wins. Only the node itself raises its Seq, so a node that was
// wrongly found dead corrects that by announcing itself again. The merge is
// commutative, associative and idempotent: nodes that exchange their entries
// in any order end up with the same ones. A life that is over is remembered for
// a day outside the View: whoever slept and takes it for alive hears of its end.
//
// Planned changes are dated ahead. A node that is ready to serve announces
// From, one that is asked to stop announces Until, both a Lead from now when
// others take part; everybody switches at that instant. The change is
// delivered to every peer until it acknowledges, and the date is moved once by
// a lead if somebody alive is still missing shortly before it.
//
// A node that was stopped is fenced: it withdraws at once, says until when it
// had served, and joins anew. Its entry keeps that window, and also one that it
// announced and moved before it began, which is empty. So nobody has to guess
// whether a slot that has passed was served.
//
// A crash has no date: the dead node's keys have one heir each, who starts as
// soon as it knows. A death is believed when the node's lifeline broke and
// redialling was refused, or the gossip gave the node up, and one other peer,
// where there is one, cannot reach it either.
//
// Invariant: what View answers for a past instant changes only for the keys of
// a life that was found dead, or when parts of the cluster meet that did not
// know each other.
// Invariant: a Roster is used by one goroutine at a time.
package roster
