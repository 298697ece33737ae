package components

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// kubernetesSDArguments are the arguments of discovery.kubernetes: a target for
// each object of one kind, kept current by a watch on the API server.
type kubernetesSDArguments struct {
	Client kubernetesClient `alloy:",squash"`

	Role       string               `alloy:"role,attr"`
	Namespaces kubernetesNamespaces `alloy:"namespaces,block,optional"`
	Selectors  []kubernetesSelector `alloy:"selectors,block,optional"`
	Attach     kubernetesMetadata   `alloy:"attach_metadata,block,optional"`
}

// kubernetesNamespaces are those that are looked into; none: all.
type kubernetesNamespaces struct {
	Own   bool     `alloy:"own_namespace,attr,optional"` // that of the collector's pod
	Names []string `alloy:"names,attr,optional"`
}

// kubernetesSelector narrows the objects of a role where they are listed, so
// that the API server sends no others.
type kubernetesSelector struct {
	Role  string `alloy:"role,attr"`
	Label string `alloy:"label,attr,optional"` // as kubectl takes it
	Field string `alloy:"field,attr,optional"`
}

// kubernetesMetadata adds labels of other objects to the targets of pods. It
// costs a watch for each kind.
type kubernetesMetadata struct {
	Node      bool `alloy:"node,attr,optional"`
	Namespace bool `alloy:"namespace,attr,optional"`
}

// selectorsOf lists, by role, the roles whose objects can be selected.
func selectorsOf() map[string][]string {
	return map[string][]string{
		"pod":           {"pod", "node"},
		"service":       {"service"},
		"endpoints":     {"pod", "service", "endpoints"},
		"endpointslice": {"pod", "service", "endpointslice"},
		"node":          {"node"},
		"ingress":       {"ingress"},
	}
}

// SetToDefault sets the documented defaults.
func (a *kubernetesSDArguments) SetToDefault() {
	*a = kubernetesSDArguments{}
	a.Client.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *kubernetesSDArguments) Validate() error {
	errs := []error{a.Client.Validate(), a.validateOwn()}
	roles := selectorsOf()
	if roles[a.Role] == nil {
		errs = append(errs, fmt.Errorf("unknown role %q: use one of pod, service, endpoints, endpointslice, node, ingress", a.Role))
	}
	seen := map[string]bool{}
	for _, s := range a.Selectors {
		if allowed := roles[a.Role]; allowed != nil && !slices.Contains(allowed, s.Role) {
			errs = append(errs, fmt.Errorf("selectors > role %q: with role %s it is one of %s", s.Role, a.Role, strings.Join(allowed, ", ")))
		}
		if seen[s.Role] {
			errs = append(errs, fmt.Errorf("selectors > role %q is there twice: join the two", s.Role))
		}
		seen[s.Role] = true
		errs = append(errs, s.validate())
	}
	return errors.Join(errs...)
}

// validateOwn refuses the pod's own namespace where there is no pod.
func (a *kubernetesSDArguments) validateOwn() error {
	if a.Namespaces.Own && !a.Client.InPod() {
		return errors.New("namespaces > own_namespace is for collectors in a pod, without api_server and kubeconfig_file: give the names")
	}
	return nil
}

// validate requires selectors that Kubernetes can parse.
func (s kubernetesSelector) validate() error {
	var errs []error
	if _, err := labels.Parse(s.Label); err != nil {
		errs = append(errs, fmt.Errorf("selectors > label %q: %w", s.Label, err))
	}
	if _, err := fields.ParseSelector(s.Field); err != nil {
		errs = append(errs, fmt.Errorf("selectors > field %q: %w", s.Field, err))
	}
	return errors.Join(errs...)
}

// source returns the set-up of the discoverer.
func (a kubernetesSDArguments) source() sd.Config {
	out := &kubernetes.SDConfig{
		Role:             kubernetes.Role(a.Role),
		APIServer:        a.Client.Server(),
		KubeConfig:       a.Client.KubeConfig,
		HTTPClientConfig: a.Client.HTTP.Prometheus(),
		NamespaceDiscovery: kubernetes.NamespaceDiscovery{
			IncludeOwnNamespace: a.Namespaces.Own, Names: a.Namespaces.Names,
		},
		AttachMetadata: kubernetes.AttachMetadataConfig{Node: a.Attach.Node, Namespace: a.Attach.Namespace},
	}
	for _, s := range a.Selectors {
		out.Selectors = append(out.Selectors, kubernetes.SelectorConfig{Role: kubernetes.Role(s.Role), Label: s.Label, Field: s.Field})
	}
	return out
}
