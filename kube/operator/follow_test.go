package operator

import (
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/divvy-collector/divvy/internal/kubefake"
)

// What a target of a service is does not depend on what was seen first: nodes
// that have seen more would take it for another than those that start now.
func TestTargetsOfServicesFollowTheirPods(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"endpoints", "endpointslice"} {
		s := kubefake.Start(t)
		meta := metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}}
		s.Set("services", &corev1.Service{ObjectMeta: meta})
		ref := &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "a"}
		//lint:ignore SA1019 clusters whose configuration says endpoints still have them
		s.Set("endpoints", &corev1.Endpoints{ObjectMeta: meta, Subsets: []corev1.EndpointSubset{{
			Addresses: []corev1.EndpointAddress{{IP: "10.0.0.1", TargetRef: ref}}, Ports: []corev1.EndpointPort{{Name: "web", Port: 8080}},
		}}})
		port, name, ready := int32(8080), "web", true
		slice := meta
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
		s.Set("endpointslices", &discoveryv1.EndpointSlice{ObjectMeta: slice, AddressType: "IPv4", Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, TargetRef: ref, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}})
		s.Set("servicemonitors", parse(t, &monitoringv1.ServiceMonitor{}, "m", `{selector: {}, endpoints: [{port: web, relabelings: [{sourceLabels: [__meta_kubernetes_pod_name, __meta_kubernetes_pod_label_role], targetLabel: job}]}]}`))
		_, got := start(t, Config{Kind: ServiceMonitors, API: s.Config(), Role: role})
		f := func(job string) {
			t.Helper()
			got.until(t, "serviceMonitor/shop/m/0\n\t10.0.0.1:8080 job="+job+" instance=10.0.0.1:8080\n")
		}
		f(";")
		a := pod("a", "10.0.0.1", nil)
		a.Labels = map[string]string{"role": "replica"}
		s.Set("pods", a)
		f("a;replica")
		a = a.DeepCopy()
		a.Labels["role"] = "leader"
		s.Set("pods", a)
		f("a;leader")
		s.Delete("pods", "shop", "a")
		f(";")
	}
}
