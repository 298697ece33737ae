// Package operator turns the custom resources of the Prometheus operator
// (PodMonitor, ServiceMonitor, Probe, ScrapeConfig) into jobs with final targets.
//
//	objects ─► scrape configuration ─► discovery ─► relabelling ─► jobs ─► Publish
//	   ▲               ▲                  ▲
//	 a watch    secrets, config maps   watches that all jobs share
//
// An Engine follows the objects of one kind. Each object is translated by
// itself, by the generator of the Prometheus operator, so that one that is wrong
// harms itself alone: it has no jobs, and Objects says why. What the objects
// mean is a function of what is in the API server: a restart changes nothing.
//
// Targets are relabelled here, once per target group that changed and job, so
// that whoever shares them out sees what they are in the end.
//
// While the API server is silent, the last state goes on. An Engine that has
// not seen everything yet publishes nothing and is not Synced; what it is denied
// for good counts as seen, and is reported.
//
// Invariant: a job that did not change is the same pointer in the next list.
// Invariant: two targets of a list never have the same URL and public labels; the
// first job by name has them.
// Invariant: Publish is called by one goroutine at a time, never after Run has
// returned.
//
// It does not scrape, and does not decide who does.
package operator
