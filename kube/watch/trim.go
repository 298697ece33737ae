package watch

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// lastApplied is the annotation in which kubectl keeps the whole object. It is
// left out: as a label of targets it would be larger than all others together.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// trimMeta drops from any object what is about its management.
func trimMeta(obj any) (any, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return obj, nil // it is not an object, but a tombstone
	}
	m.SetManagedFields(nil)
	m.SetFinalizers(nil)
	m.SetSelfLink("")
	if notes := m.GetAnnotations(); notes[lastApplied] != "" {
		delete(notes, lastApplied)
		m.SetAnnotations(notes)
	}
	return obj, nil
}

// trimPod keeps what the labels of targets are made of.
func trimPod(obj any) (any, error) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	if _, err := trimMeta(p); err != nil {
		return nil, err
	}
	return &corev1.Pod{
		ObjectMeta: p.ObjectMeta,
		Spec: corev1.PodSpec{
			NodeName:       p.Spec.NodeName,
			Containers:     trimContainers(p.Spec.Containers),
			InitContainers: trimContainers(p.Spec.InitContainers),
		},
		Status: corev1.PodStatus{
			Phase:                 p.Status.Phase,
			PodIP:                 strings.Clone(p.Status.PodIP),
			HostIP:                p.Status.HostIP,
			Conditions:            trimConditions(p.Status.Conditions),
			ContainerStatuses:     trimStatuses(p.Status.ContainerStatuses),
			InitContainerStatuses: trimStatuses(p.Status.InitContainerStatuses),
		},
	}, nil
}

// trimContainers keeps names, images and ports.
func trimContainers(list []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for _, c := range list {
		out = append(out, corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports})
	}
	return out
}

// trimStatuses keeps the ids of containers.
func trimStatuses(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range list {
		out = append(out, corev1.ContainerStatus{Name: c.Name, ContainerID: c.ContainerID})
	}
	return out
}

// trimConditions keeps whether a pod is ready.
func trimConditions(list []corev1.PodCondition) []corev1.PodCondition {
	for _, c := range list {
		if c.Type == corev1.PodReady {
			return []corev1.PodCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return nil
}

// trimService keeps ports, addresses and the type.
func trimService(obj any) (any, error) {
	s, ok := obj.(*corev1.Service)
	if !ok {
		return obj, nil
	}
	if _, err := trimMeta(s); err != nil {
		return nil, err
	}
	return &corev1.Service{ObjectMeta: s.ObjectMeta, Spec: corev1.ServiceSpec{
		Ports: s.Spec.Ports, Type: s.Spec.Type, ClusterIP: s.Spec.ClusterIP,
		ExternalName: s.Spec.ExternalName, LoadBalancerIP: s.Spec.LoadBalancerIP,
	}}, nil
}

// trimNode keeps addresses, the port of the kubelet and the conditions without
// the times at which they were looked at.
func trimNode(obj any) (any, error) {
	n, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	if _, err := trimMeta(n); err != nil {
		return nil, err
	}
	out := &corev1.Node{
		ObjectMeta: n.ObjectMeta,
		Spec:       corev1.NodeSpec{ProviderID: n.Spec.ProviderID},
		Status:     corev1.NodeStatus{Addresses: n.Status.Addresses, DaemonEndpoints: n.Status.DaemonEndpoints},
	}
	for _, c := range n.Status.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status})
	}
	return out, nil
}
