// Command divvy collects telemetry: it reads a configuration of components,
// runs them, and answers for their health over HTTP.
//
//	divvy run PATH         run the configuration in a file or directory
//	divvy validate PATH    say what is wrong with a configuration
//	divvy fmt [-w|-t] FILE write a configuration in its canonical form
//	divvy fleet COMMAND    see what all nodes of a cluster do
//	divvy demo             watch a cluster work, with nothing to configure
//
// The program is a value, a Collector: it is opened (flags are checked, the
// storage path is locked, ports are bound), run until its context is cancelled,
// and closed. Commands and tests build it the same way, several in one process
// if they like; the nodes of the demo are processes of their own.
//
// Life of a Collector:
//
//	Open ─► Run: load ─► join ─► serve … reload … ─► context ends
//	                                                      │
//	          others take over, then components stop and ◄┘
//	          drain, then gossip, then HTTP, then the lock
//
// Invariant: os.Exit is called in main only, and nothing is left running when
// it is.
//
// Invariant: a configuration that does not load never replaces one that runs.
package main
