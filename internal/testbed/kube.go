package testbed

import "fmt"

// A podFamily is a family of which every pod shows one series for each of
// values, or one without the label if there is none.
type podFamily struct {
	name, kind string
	label      string
	values     []string
}

// podFamilies returns a part of what kube-state-metrics says of a pod: 25
// series.
func podFamilies() []podFamily {
	conditions := []string{"true", "false", "unknown"}
	return []podFamily{
		{"kube_pod_info", "gauge", "node", []string{"ip-10-0-112-34.eu-west-1.compute.internal"}},
		{"kube_pod_start_time", "gauge", "", nil},
		{"kube_pod_owner", "gauge", "owner_kind", []string{"ReplicaSet"}},
		{"kube_pod_status_phase", "gauge", "phase", []string{"Pending", "Succeeded", "Failed", "Unknown", "Running"}},
		{"kube_pod_status_ready", "gauge", "condition", conditions},
		{"kube_pod_status_scheduled", "gauge", "condition", conditions},
		{"kube_pod_container_info", "gauge", "image", []string{"registry.example.com/shop/cart:v1.24.3"}},
		{"kube_pod_container_status_ready", "gauge", "container", []string{"cart", "proxy"}},
		{"kube_pod_container_status_restarts_total", "counter", "container", []string{"cart", "proxy"}},
		{"kube_pod_container_resource_requests", "gauge", "resource", []string{"cpu", "memory"}},
		{"kube_pod_container_resource_limits", "gauge", "resource", []string{"cpu", "memory"}},
		{"kube_pod_restart_policy", "gauge", "type", []string{"Always"}},
		{"kube_pod_created", "gauge", "", nil},
	}
}

// kube writes the families one after the other, each with all pods, as
// kube-state-metrics does. Replaced pods keep their place.
func (r *renderer) kube(target string) {
	families := podFamilies()
	perPod := 0
	for _, f := range families {
		perPod += max(1, len(f.values))
	}
	pods := (r.left + perPod - 1) / perPod
	for _, f := range families {
		r.head(f.name, f.kind, "What the API server says of a pod.")
		for pod := range pods {
			if len(f.values) == 0 {
				r.podLine(f.name, "", target, pod)
			}
			for _, v := range f.values {
				r.podLine(f.name, fmt.Sprintf(",%s=%q", f.label, v), target, pod)
			}
		}
	}
}

// podLine writes one line, if the target has a series left.
//
//	kube_pod_info{namespace="shop-3",pod="cart-t0000-00042-0007",uid="…-0007",…} 1
//	                                                       └──┘ renewals   └──┘
func (r *renderer) podLine(name, label, target string, pod int) {
	if r.left == 0 {
		return
	}
	r.begin(name)
	r.text = fmt.Appendf(r.text, `{namespace="shop-%d",pod="cart-%s-%05d-`, pod%40, target, pod)
	r.renewals(pod)
	r.text = fmt.Appendf(r.text, `",uid="8f14e45f-ceea-467f-a9d1-%06d-`, pod)
	r.renewals(pod)
	r.text = fmt.Appendf(r.text, `"%s} `, label)
	r.value()
	r.text = append(r.text, '\n')
}

// renewals writes how often a pod has been replaced.
func (r *renderer) renewals(pod int) {
	s := slot{at: len(r.text), width: 4, step: 1, every: r.renew}
	r.text = append(r.text, "0000"...)
	if r.renew > 0 {
		s.phase = uint64(pod) % r.renew
		r.slots = append(r.slots, s)
	}
}
