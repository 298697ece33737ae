package watch

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// Names of indexes, as Prometheus' discoverers ask for them.
const (
	nodeIndex    = "node"
	podIndex     = "pod"
	serviceIndex = "service"

	// TargetIndex has endpoints and endpoint slices by all pods that they refer
	// to, ready or not.
	TargetIndex = "target"
)

// byNamespace indexes objects by their namespaces.
func byNamespace() cache.Indexers {
	return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
}

// podIndexes indexes pods by their nodes, too.
func podIndexes() cache.Indexers {
	out := byNamespace()
	out[nodeIndex] = func(obj any) ([]string, error) {
		if p, ok := obj.(*corev1.Pod); ok {
			return []string{p.Spec.NodeName}, nil
		}
		return nil, nil
	}
	return out
}

// endpointsIndexes indexes endpoints by the pods and nodes that they lead to.
func endpointsIndexes() cache.Indexers {
	out := byNamespace()
	out[podIndex] = func(obj any) ([]string, error) {
		var pods []string
		for a := range addresses(obj) {
			if a.TargetRef != nil && a.TargetRef.Kind == "Pod" {
				pods = append(pods, a.TargetRef.Namespace+"/"+a.TargetRef.Name)
			}
		}
		return pods, nil
	}
	out[nodeIndex] = func(obj any) ([]string, error) {
		var nodes []string
		for a := range addresses(obj) {
			nodes = appendNode(nodes, a.TargetRef, a.NodeName)
		}
		return nodes, nil
	}
	out[TargetIndex] = func(obj any) ([]string, error) {
		//lint:ignore SA1019 clusters whose configuration says endpoints still have them
		e, ok := obj.(*corev1.Endpoints)
		if !ok {
			return nil, nil
		}
		var pods []string
		for _, subset := range e.Subsets {
			for _, a := range slices.Concat(subset.Addresses, subset.NotReadyAddresses) {
				pods = appendPod(pods, a.TargetRef)
			}
		}
		return pods, nil
	}
	return out
}

// appendPod appends the pod that an address leads to, if it does.
func appendPod(pods []string, ref *corev1.ObjectReference) []string {
	if ref == nil || ref.Kind != "Pod" {
		return pods
	}
	return append(pods, ref.Namespace+"/"+ref.Name)
}

// addresses calls yield with the ready addresses of endpoints.
func addresses(obj any) func(yield func(corev1.EndpointAddress) bool) {
	return func(yield func(corev1.EndpointAddress) bool) {
		//lint:ignore SA1019 clusters whose configuration says endpoints still have them
		e, ok := obj.(*corev1.Endpoints)
		if !ok {
			return
		}
		for _, subset := range e.Subsets {
			for _, a := range subset.Addresses {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// sliceIndexes indexes endpoint slices by their services and nodes.
func sliceIndexes() cache.Indexers {
	out := byNamespace()
	out[serviceIndex] = func(obj any) ([]string, error) {
		e, ok := obj.(*discoveryv1.EndpointSlice)
		if !ok || e.Labels[discoveryv1.LabelServiceName] == "" {
			return nil, nil
		}
		return []string{e.Namespace + "/" + e.Labels[discoveryv1.LabelServiceName]}, nil
	}
	out[nodeIndex] = func(obj any) ([]string, error) {
		e, ok := obj.(*discoveryv1.EndpointSlice)
		if !ok {
			return nil, nil
		}
		var nodes []string
		for _, a := range e.Endpoints {
			nodes = appendNode(nodes, a.TargetRef, a.NodeName)
		}
		return nodes, nil
	}
	out[TargetIndex] = func(obj any) ([]string, error) {
		e, ok := obj.(*discoveryv1.EndpointSlice)
		if !ok {
			return nil, nil
		}
		var pods []string
		for _, a := range e.Endpoints {
			pods = appendPod(pods, a.TargetRef)
		}
		return pods, nil
	}
	return out
}

// appendNode appends the node of an address, if it is known.
func appendNode(nodes []string, ref *corev1.ObjectReference, node *string) []string {
	switch {
	case ref == nil:
	case ref.Kind == "Pod" && node != nil:
		return append(nodes, *node)
	case ref.Kind == "Node":
		return append(nodes, ref.Name)
	}
	return nodes
}
