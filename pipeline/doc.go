// Package pipeline turns a configuration into running components, and keeps
// them in step with it.
//
//	Load: parse ─► plan ─► evaluate and build ─► commit
//	                                              │ update what changed
//	                                              │ stop what is gone
//	                                              └ start what is new
//	Run:  a component exports ─► evaluate what refers to it ─► Update
//
// A load is made in two steps. The stage evaluates the whole configuration and
// builds the components that are new, without touching anything that runs; the
// commit updates, stops and starts. What is wrong with a configuration, the
// stage finds; and where an Update still refuses, the commit takes back what
// it has done. So a load that fails leaves everything as it was.
//
// Values flow along references, and through modules like this:
//
//	discovery ──► m (arguments) ──► argument.x ──► scrape ──► export.y ──► other
//	              └──────── inside the module m ────────────────────┘
//
// A component whose arguments cannot be evaluated because something that they
// refer to has exported nothing yet waits for it: it is unhealthy, says for
// what it waits, and is built once it can be. So does all that refers to it.
// The rest of the configuration runs. A mistake that no export can mend, such
// as a wrong type, fails the load all the same.
//
// A module is a declare block, a template of foreach, or an imported file. Its
// nodes live in the same tree as all others. A change of structure, that is, of
// an imported file or of the collection of a foreach, is a load of the same
// sources: an unchanged component does not notice.
//
// Invariant: one goroutine at a time evaluates, builds, updates, starts or
// stops: the one that holds Pipeline.turn.
// Invariant: a component is stopped only after all that refer to it have been
// joined, so that what they still have to say is heard.
// Invariant: an unchanged component is not updated.
//
// Package graph is the pure half: it plans, and knows the language.
package pipeline
