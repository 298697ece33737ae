// Package kubernetes adapts what is found in Kubernetes to the pipeline: the
// prometheus.operator kinds, which scrape what custom resources ask for, and the
// block client, which every kind that asks an API server has.
//
//	kube/operator (objects -> jobs) ─► scrape/jobs (a pool for each job) ─► forward_to
//
// The four kinds are one adapter; they differ in the resource that they follow.
//
// Invariant: a node takes no part in sharing targets before it has seen all of
// them (Primed); one that starts while the API server is away waits for it.
// Invariant: metrics do not grow with objects. What is wrong with one of them is
// told by the component's page.
package kubernetes
