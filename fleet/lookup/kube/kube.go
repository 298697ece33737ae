// Package kube looks up peers among the pods of a Kubernetes cluster, by their
// labels:
//
//	provider=k8s label_selector="app=divvy" namespace=monitoring
//
// It is go-discover's provider, in a package of its own: it brings the whole
// Kubernetes client with it, which nothing else that looks up peers needs to
// compile.
//
// Keys: namespace (default: "default"), label_selector, field_selector,
// kubeconfig (a file; default: that in the home directory, else the service
// account of the pod that this runs in), host_network ("true": addresses of
// the pods' hosts). The port is that of a pod's annotation
// consul.hashicorp.com/auto-join-port, else lookup.Config.Port.
//
// Only pods that run and are ready are found. A divvy is ready once it takes
// part, so nodes that are all new do not find each other in this way before
// one of them is; a headless Service with publishNotReadyAddresses has no such
// gap.
package kube

import "github.com/hashicorp/go-discover/provider/k8s"

// Name is what --cluster.discover-peers calls it.
const Name = "k8s"

// Provider returns the provider.
func Provider() *k8s.Provider { return &k8s.Provider{} }
