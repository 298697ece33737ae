// Package scrape takes profiles of targets at their slots and hands them to a
// sink.
//
//	schedule.Clock ─► serve ─► fetch ──────► check ─────────► Sink.Append
//	  (slots)        (one goroutine per      (one per processor)
//	                  profile in flight)  └► delta, by a baseline ┘
//
// A target has one key and one schedule, and at each of its slots all its types
// of profile are asked for, each by itself, so that one that is slow or refused
// does not concern the others. One key, since nodes of other software decide by
// it who takes the profiles of a target, all of them; one schedule, since the
// phase follows from the key. Load stays even: the phases of targets are spread
// over the interval, and a slot of one target is a handful of requests.
//
// A profile that lasts, such as that of the CPU, is asked for seconds=N with its
// slot, and ends a second before the next one at the default. One that begins
// late is shorter, so that it does not run into the next slot, where its target
// would refuse a second one. Whoever began a profile ends it, also when the
// target has moved meanwhile; the next slot is the new owner's.
//
// Profiles of memory, mutex and block count from the start of their process. A
// server wants what was added since the profile before, so this package makes
// the difference, unless the target does. What is needed for it is the baseline
// of the profile before (package wire), and there is one of each:
//
//	old owner: slot k-1 ─ baseline ─┐ first slot that is not ours: note, over the cluster's port
//	new owner:                      └─► slot k, waits for it ─► delta of k, counted once
//
// A baseline is the right to make the next delta. The node that gives it away
// throws away the profile that it may have under way, which the new owner's
// delta contains. After a crash there is no baseline: then the first profile is
// one, no delta is made of it, and the delta after it says in a comment since
// when it was counted.
//
// Invariant: a target is asked for one profile of a type at a time; a slot that
// finds it busy waits, and is left out and counted if that takes long.
// Invariant: what is counted between two profiles is in one delta, or in none
// where a node died or a note was lost; never in two.
// Invariant: a profile that is not one, is cut short or inflates without end is
// an error of its target, and never passed on.
// Invariant: where targets are shared, a profile that ends more than a second
// after its timeout is thrown away: this process was stopped.
// Invariant: when Run returns, no goroutine of the pool is alive.
package scrape
