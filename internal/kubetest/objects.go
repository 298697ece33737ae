package kubetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A Pod is one that runs, as far as the API server knows.
type Pod struct {
	Namespace, Name string
	IP              string           // empty: it has none yet
	Ports           map[string]int32 // by name
	Labels          map[string]string
	Annotations     map[string]string
	Node            string // empty: n1
	Unready         bool
}

// SetPod creates a pod, or changes the labels, annotations and status of the one
// of its name.
func (s *Server) SetPod(p Pod) {
	s.t.Helper()
	if err := s.setPod(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
}

// SetPods is SetPod for many, several at a time.
func (s *Server) SetPods(all []Pod) {
	s.t.Helper()
	s.Each(len(all), func(i int) error { return s.setPod(s.t.Context(), all[i]) })
}

// Each calls f for 0 to n-1 from several goroutines, and fails the test with the
// first error.
func (s *Server) Each(n int, f func(i int) error) {
	s.t.Helper()
	const workers = 16
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) setPod(ctx context.Context, p Pod) error {
	pods, want := s.client.CoreV1().Pods(p.Namespace), p.object()
	got, err := pods.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if got, err = pods.Get(ctx, p.Name, metav1.GetOptions{}); err == nil {
			got.Labels, got.Annotations = want.Labels, want.Annotations
			got, err = pods.Update(ctx, got, metav1.UpdateOptions{})
		}
	}
	if err == nil {
		got.Status = p.status()
		_, err = pods.UpdateStatus(ctx, got, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("set pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	return nil
}

// object returns p with one container, which has all of its ports.
func (p Pod) object() *core.Pod {
	c := core.Container{Name: "app", Image: "example.org/app:1"}
	for _, name := range slices.Sorted(maps.Keys(p.Ports)) {
		c.Ports = append(c.Ports, core.ContainerPort{Name: name, ContainerPort: p.Ports[name], Protocol: core.ProtocolTCP})
	}
	node := p.Node
	if node == "" {
		node = "n1"
	}
	grace := int64(0) // nobody is there to end it gracefully
	return &core.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, Annotations: p.Annotations},
		Spec:       core.PodSpec{NodeName: node, Containers: []core.Container{c}, TerminationGracePeriodSeconds: &grace},
	}
}

// status returns what a kubelet would say of p.
func (p Pod) status() core.PodStatus {
	ready := core.ConditionTrue
	if p.Unready {
		ready = core.ConditionFalse
	}
	out := core.PodStatus{
		Phase:      core.PodRunning,
		PodIP:      p.IP,
		HostIP:     "192.0.2.10",
		Conditions: []core.PodCondition{{Type: core.PodReady, Status: ready}},
	}
	if p.IP != "" {
		out.PodIPs = []core.PodIP{{IP: p.IP}}
	}
	return out
}

// DeletePod removes a pod at once.
func (s *Server) DeletePod(namespace, name string) {
	s.t.Helper()
	now := int64(0)
	if err := s.client.CoreV1().Pods(namespace).Delete(s.t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		s.t.Fatal(err)
	}
}

// SetService creates a Service without a selector, and an EndpointSlice of its
// name, in which the pods stand with their ports.
func (s *Server) SetService(namespace, name string, labels map[string]string, pods ...Pod) {
	s.t.Helper()
	service := &core.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	slice := &discovery.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{discovery.LabelServiceName: name},
		},
		AddressType: discovery.AddressTypeIPv4,
	}
	for _, port := range slices.Sorted(maps.Keys(pods[0].Ports)) {
		number := pods[0].Ports[port]
		service.Spec.Ports = append(service.Spec.Ports, core.ServicePort{Name: port, Port: number})
		slice.Ports = append(slice.Ports, discovery.EndpointPort{Name: &port, Port: &number})
	}
	for _, p := range pods {
		ready := !p.Unready
		slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{
			Addresses:  []string{p.IP},
			Conditions: discovery.EndpointConditions{Ready: &ready},
			TargetRef:  &core.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name},
		})
	}
	if _, err := s.client.CoreV1().Services(namespace).Create(s.t.Context(), service, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.client.DiscoveryV1().EndpointSlices(namespace).Create(s.t.Context(), slice, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// SetSecret creates a Secret, or replaces what is in it.
func (s *Server) SetSecret(namespace, name string, entries map[string]string) {
	s.t.Helper()
	secrets := s.client.CoreV1().Secrets(namespace)
	secret := &core.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: entries}
	_, err := secrets.Create(s.t.Context(), secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = secrets.Update(s.t.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// AddNamespace creates a namespace.
func (s *Server) AddNamespace(name string, labels map[string]string) {
	s.t.Helper()
	ns := &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := s.client.CoreV1().Namespaces().Create(s.t.Context(), ns, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// DeleteNamespace removes a namespace and the pods, services, slices, secrets
// and monitors in it, in the order in which the controller does that this server
// has not: first the namespace is marked, then emptied, then gone.
func (s *Server) DeleteNamespace(name string) {
	s.t.Helper()
	ctx := s.t.Context()
	spaces := s.client.CoreV1().Namespaces()
	if err := spaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
	now := int64(0)
	for _, r := range contents() {
		err := s.dynamic.Resource(r).Namespace(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			s.t.Fatal(fmt.Errorf("empty namespace %s of %s: %w", name, r.Resource, err))
		}
	}
	ns, err := spaces.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		ns.Spec.Finalizers = nil
		_, err = spaces.Finalize(ctx, ns, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(fmt.Errorf("finish namespace %s: %w", name, err))
	}
}

// contents lists what tests put into namespaces.
func contents() []schema.GroupVersionResource {
	out := []schema.GroupVersionResource{
		{Version: "v1", Resource: "pods"}, {Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "configmaps"},
		{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
		{Group: "monitoring.coreos.com", Version: "v1alpha1", Resource: "scrapeconfigs"},
	}
	for _, name := range monitors[:3] {
		out = append(out, schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: name})
	}
	return out
}
