// Package kube connects to the API server of a Kubernetes cluster, for all
// components that ask it something.
//
// There are three ways to find it; the first that is set counts:
//
//	Config.File    a kubeconfig file; it says how to authenticate, too
//	Config.Server  a URL, with the HTTP client of Config
//	neither        the service account of the pod that this runs in
//
// What the server refuses comes back as an error that names what was asked: the
// verb, the resource, the namespace and the name. The server's own words follow;
// they name the user.
//
// Invariant: a client connects when it is asked something, never before, and
// keeps no goroutine between questions.
//
// It watches nothing: that is what Prometheus' discovery does. May exists so that
// somebody says why such a watch stays silent.
package kube

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/common/config"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says where the API server is and how to talk to it.
type Config struct {
	File   string                  // path of a kubeconfig file; empty: none
	Server string                  // http or https URL; empty: none
	HTTP   config.HTTPClientConfig // for Server only
}

// New returns a client that has not connected yet. It reads the files that the
// configuration or the pod has for it, and reports those that it cannot use.
func New(c Config) (kubernetes.Interface, error) {
	set, err := c.REST()
	if err != nil {
		return nil, err
	}
	set.QPS = -1 // callers have intervals of their own
	client, err := kubernetes.NewForConfig(set)
	if err != nil {
		return nil, fmt.Errorf("set up Kubernetes client: %w", err)
	}
	return client, nil
}

// REST returns c for those who make clients of their own. It reads the files that
// the configuration or the pod has, and reports those that it cannot use.
func (c Config) REST() (*rest.Config, error) {
	set, err := c.find()
	if err != nil {
		return nil, err
	}
	set.UserAgent = "divvy"
	return set, nil
}

// find returns where the server is.
func (c Config) find() (*rest.Config, error) {
	switch {
	case c.File != "":
		set, err := clientcmd.BuildConfigFromFlags("", c.File)
		if err != nil {
			return nil, fmt.Errorf("read kubeconfig file: %w", err)
		}
		return set, nil
	case c.Server != "":
		transport, err := config.NewRoundTripperFromConfig(c.HTTP, "kubernetes")
		if err != nil {
			return nil, fmt.Errorf("set up HTTP client: %w", err)
		}
		return &rest.Config{Host: c.Server, Transport: transport}, nil
	}
	set, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("use the pod's service account (set api_server or kubeconfig_file where there is none): %w", err)
	}
	return set, nil
}

// namespaceFile is where a pod finds the name of its own namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// OwnNamespace returns the namespace of the pod that this runs in.
func OwnNamespace() (string, error) {
	text, err := os.ReadFile(namespaceFile)
	if err != nil {
		return "", fmt.Errorf("read own namespace: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
