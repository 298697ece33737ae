package kubelet

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// meta begins the name of every label that a rule can look at.
const meta = model.MetaLabelPrefix + "kubernetes_"

// byName orders pods by namespace and name.
func byName(a, b corev1.Pod) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// targets returns the targets of a pod, which has none before it has an address:
// its containers, then those that run before them.
func targets(pod *corev1.Pod) []model.LabelSet {
	if pod.Status.PodIP == "" {
		return nil
	}
	common := podLabels(pod)
	var out []model.LabelSet
	add := func(list []corev1.Container, states []corev1.ContainerStatus, first bool) {
		for i := range list {
			own := containerLabels(&list[i], states, first)
			for _, address := range addresses(&list[i], pod.Status.PodIP) {
				out = append(out, common.Merge(own).Merge(address))
			}
		}
	}
	add(pod.Spec.Containers, pod.Status.ContainerStatuses, false)
	add(pod.Spec.InitContainers, pod.Status.InitContainerStatuses, true)
	return out
}

// podLabels returns the labels that all targets of the pod have.
func podLabels(pod *corev1.Pod) model.LabelSet {
	out := model.LabelSet{
		meta + "namespace":     model.LabelValue(pod.Namespace),
		meta + "pod_name":      model.LabelValue(pod.Name),
		meta + "pod_ip":        model.LabelValue(pod.Status.PodIP),
		meta + "pod_ready":     ready(pod),
		meta + "pod_phase":     model.LabelValue(pod.Status.Phase),
		meta + "pod_node_name": model.LabelValue(pod.Spec.NodeName),
		meta + "pod_host_ip":   model.LabelValue(pod.Status.HostIP),
		meta + "pod_uid":       model.LabelValue(pod.UID),
	}
	addAll(out, "pod_label", pod.Labels)
	addAll(out, "pod_annotation", pod.Annotations)
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		addSome(out, "pod_controller_kind", owner.Kind)
		addSome(out, "pod_controller_name", owner.Name)
	}
	return out
}

// addAll adds two labels for each entry: its value, and that it is there. Their
// names have an underscore for what a label's name cannot have.
func addAll(out model.LabelSet, kind string, entries map[string]string) {
	for name, value := range entries {
		name = strutil.SanitizeLabelName(name)
		out[model.LabelName(meta+kind+"_"+name)] = model.LabelValue(value)
		out[model.LabelName(meta+kind+"present_"+name)] = "true"
	}
}

// addSome adds a label unless it would be empty.
func addSome(out model.LabelSet, name, value string) {
	if value != "" {
		out[model.LabelName(meta+name)] = model.LabelValue(value)
	}
}

// ready returns true, false or unknown.
func ready(pod *corev1.Pod) model.LabelValue {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return model.LabelValue(strings.ToLower(string(c.Status)))
		}
	}
	return "unknown"
}

// containerLabels returns the labels that all ports of a container have.
func containerLabels(c *corev1.Container, states []corev1.ContainerStatus, first bool) model.LabelSet {
	out := model.LabelSet{
		meta + "pod_container_name":  model.LabelValue(c.Name),
		meta + "pod_container_image": model.LabelValue(c.Image),
		meta + "pod_container_id":    "",
		meta + "pod_container_init":  model.LabelValue(strconv.FormatBool(first)),
	}
	for i := range states {
		if states[i].Name == c.Name {
			out[meta+"pod_container_id"] = model.LabelValue(states[i].ContainerID)
			break
		}
	}
	return out
}

// addresses returns the labels of each port of a container, or the address of
// the pod if it names none.
func addresses(c *corev1.Container, ip string) []model.LabelSet {
	if len(c.Ports) == 0 {
		return []model.LabelSet{{model.AddressLabel: model.LabelValue(ip)}}
	}
	var out []model.LabelSet
	for _, p := range c.Ports {
		port := strconv.FormatInt(int64(p.ContainerPort), 10)
		out = append(out, model.LabelSet{
			model.AddressLabel:                   model.LabelValue(net.JoinHostPort(ip, port)),
			meta + "pod_container_port_name":     model.LabelValue(p.Name),
			meta + "pod_container_port_number":   model.LabelValue(port),
			meta + "pod_container_port_protocol": model.LabelValue(p.Protocol),
		})
	}
	return out
}
