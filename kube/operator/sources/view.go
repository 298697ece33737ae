package sources

import (
	"fmt"
	"log/slog"

	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/kube"
	"github.com/divvy-collector/divvy/kube/watch"
)

// A view is what one discoverer of Kubernetes looks at: objects of one role in
// one namespace.
type view struct {
	role            kubernetes.Role
	namespace       string // empty: all
	selectors       [6]watch.Key
	node, spaceMeta bool // labels of the node and the namespace are added
}

// newView returns what k looks at in one of its namespaces.
func newView(k *kubernetes.SDConfig, namespace string) view {
	v := view{
		role: k.Role, namespace: namespace,
		node: k.AttachMetadata.Node, spaceMeta: k.AttachMetadata.Namespace,
	}
	for i, s := range k.Selectors {
		if i < len(v.selectors) {
			v.selectors[i] = watch.Key{Resource: resourceOf(s.Role), Label: s.Label, Field: s.Field}
		}
	}
	return v
}

// namespacesOf lists the namespaces that k looks at; one that is empty means
// all.
func namespacesOf(k *kubernetes.SDConfig) ([]string, error) {
	out := k.NamespaceDiscovery.Names
	if k.NamespaceDiscovery.IncludeOwnNamespace {
		own, err := kube.OwnNamespace()
		if err != nil {
			return nil, err
		}
		out = append(out[:len(out):len(out)], own)
	}
	if len(out) == 0 {
		return []string{""}, nil
	}
	return out, nil
}

// resourceOf returns what the API calls the objects of a role.
func resourceOf(r kubernetes.Role) string {
	switch r {
	case kubernetes.RoleEndpointSlice:
		return "endpointslices"
	case kubernetes.RoleEndpoint:
		return "endpoints"
	case kubernetes.RoleIngress:
		return "ingresses"
	}
	return string(r) + "s"
}

// key is equal for equal views.
func (v view) key() string { return fmt.Sprint(v) }

// watched returns what is watched of a resource.
func (v view) watched(resource, namespace string) watch.Key {
	out := watch.Key{Resource: resource, Namespace: namespace}
	for _, s := range v.selectors {
		if s.Resource == resource {
			out.Label, out.Field = s.Label, s.Field
		}
	}
	return out
}

// leases returns Leases of everything that v needs; the first is of the objects
// that become groups.
func (v view) leases(set *watch.Set) []*watch.Lease {
	resources := []string{resourceOf(v.role)}
	if v.role == kubernetes.RoleEndpoint || v.role == kubernetes.RoleEndpointSlice {
		resources = append(resources, "services", "pods")
	}
	var out []*watch.Lease
	for _, r := range resources {
		namespace := v.namespace
		if r == "nodes" {
			namespace = ""
		}
		out = append(out, set.Lease(v.watched(r, namespace)))
	}
	if v.node && v.role != kubernetes.RoleNode {
		out = append(out, set.Lease(v.watched("nodes", "")))
	}
	if v.spaceMeta && v.role != kubernetes.RoleNode {
		out = append(out, set.Lease(watch.Key{Resource: "namespaces"}))
	}
	return out
}

// discoverer returns the discoverer of Prometheus that reads leases.
func (v view) discoverer(leases []*watch.Lease, log *slog.Logger, m *Metrics) sd.Discoverer {
	var nodes, spaces cache.SharedInformer // nil: there are none
	for _, l := range leases[1:] {
		switch l.Key.Resource {
		case "nodes":
			nodes = l
		case "namespaces":
			spaces = l
		}
	}
	log = log.With("role", v.role, "namespace", v.namespace)
	switch v.role {
	case kubernetes.RolePod:
		return kubernetes.NewPod(log, leases[0], nodes, spaces, nil, nil, false, false, false, m.events)
	case kubernetes.RoleService:
		return kubernetes.NewService(log, leases[0], spaces, m.events)
	case kubernetes.RoleIngress:
		return kubernetes.NewIngress(log, leases[0], spaces, m.events)
	case kubernetes.RoleNode:
		return kubernetes.NewNode(log, leases[0], m.events)
	case kubernetes.RoleEndpoint:
		//lint:ignore SA1019 clusters whose configuration says endpoints still have them
		return kubernetes.NewEndpoints(log, following{leases[0], leases[2]}, leases[1], leases[2], nodes, spaces, nil, nil, false, false, false, m.events)
	case kubernetes.RoleEndpointSlice:
		return kubernetes.NewEndpointSlice(log, following{leases[0], leases[2]}, leases[1], leases[2], nodes, spaces, nil, nil, false, false, false, m.events)
	}
	panic(fmt.Sprintf("BUG: role %q was not checked", v.role))
}
