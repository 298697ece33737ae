// Package e2e drives the built program from outside: real processes, signals,
// files and connections, on loopback. Each test makes a world of its own, a
// fleet of targets and a receiver from package testbed, lets divvy run in it
// while something goes wrong, ends divvy, and compares what the targets
// answered with what arrived.
//
// Time is real here, so that these tests take seconds each; they are skipped
// with -short. Some of them can be given the full length of the promise:
//
//	go test ./e2e -run Outage -outage 10m -timeout 30m
//	go test ./e2e -run KillLoses -kills 50 -timeout 30m
//	go test ./e2e -run 'Rolling|Paused|Split|Third' -rolling 5 -pause 60s -split 90s
//	go test ./e2e -run Alloy -alloy /usr/bin/alloy -timeout 30m
//
// A cluster is several processes in one world. Its tests ask of every slot of
// every target who served it, as the targets saw it. Where the network is to
// fail each process has a network namespace of its own; that needs root and
// iproute2.
//
// TestKubernetes… (make kube) runs nodes before a real Kubernetes API server,
// with the rights of deploy/kubernetes. Pods are addresses of loopback; which
// node scraped one is told by the way that its samples came.
//
// Invariant: a test counts scrapes by the number that each carries, never by
// what divvy says of itself.
package e2e
