package watch

import (
	"context"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// A resource is what can be watched.
type resource struct {
	object  runtime.Object // an example
	trim    cache.TransformFunc
	indexes cache.Indexers
	client  func(kubernetes.Interface) rest.Interface // nil: it is a custom resource
	group   schema.GroupVersion                       // of a custom resource
}

// resources lists them by their names in the API.
func resources() map[string]resource {
	core := func(c kubernetes.Interface) rest.Interface { return c.CoreV1().RESTClient() }
	v1 := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}
	v1alpha1 := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1alpha1"}
	custom := &unstructured.Unstructured{}
	//lint:ignore SA1019 clusters whose configuration says endpoints still have them
	endpoints := &corev1.Endpoints{}
	return map[string]resource{
		"pods":           {object: &corev1.Pod{}, trim: trimPod, indexes: podIndexes(), client: core},
		"services":       {object: &corev1.Service{}, trim: trimService, indexes: byNamespace(), client: core},
		"endpoints":      {object: endpoints, trim: trimMeta, indexes: endpointsIndexes(), client: core},
		"nodes":          {object: &corev1.Node{}, trim: trimNode, client: core},
		"namespaces":     {object: &corev1.Namespace{}, trim: trimMeta, client: core},
		"endpointslices": {object: &discoveryv1.EndpointSlice{}, trim: trimMeta, indexes: sliceIndexes(), client: func(c kubernetes.Interface) rest.Interface { return c.DiscoveryV1().RESTClient() }},
		"ingresses":      {object: &networkingv1.Ingress{}, trim: trimMeta, indexes: byNamespace(), client: func(c kubernetes.Interface) rest.Interface { return c.NetworkingV1().RESTClient() }},

		"podmonitors":     {object: custom, trim: parse(func() runtime.Object { return &monitoringv1.PodMonitor{} }), group: v1},
		"servicemonitors": {object: custom, trim: parse(func() runtime.Object { return &monitoringv1.ServiceMonitor{} }), group: v1},
		"probes":          {object: custom, trim: parse(func() runtime.Object { return &monitoringv1.Probe{} }), group: v1},
		"scrapeconfigs":   {object: custom, trim: parse(func() runtime.Object { return &monitoringv1alpha1.ScrapeConfig{} }), group: v1alpha1},
	}
}

// informer returns what lists and follows for w.
func (s *Set) informer(w *Watch) cache.SharedIndexInformer {
	r, ok := resources()[w.Key.Resource]
	if !ok {
		panic(fmt.Sprintf("BUG: nobody knows how to watch %s", w.Key.Resource))
	}
	source := s.source(w.Key, r)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			var out runtime.Object
			err := persist(ctx, func() (err error) {
				out, err = source.List(ctx, o)
				w.answer("list", err)
				return err
			})
			return out, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			var out watch.Interface
			err := persist(ctx, func() (err error) {
				out, err = source.Watch(ctx, o)
				if !apierrors.IsInvalid(err) { // servers that cannot stream lists say so
					w.answer("watch", err)
				}
				return err
			})
			return out, err
		},
	}
	inf := cache.NewSharedIndexInformer(lw, r.object, 0, r.indexes)
	quiet := func(context.Context, *cache.Reflector, error) {} // answer has told
	for _, err := range []error{inf.SetTransform(r.trim), inf.SetWatchErrorHandlerWithContext(quiet)} {
		if err != nil {
			panic(fmt.Sprintf("BUG: an informer that was not started refuses its settings: %v", err))
		}
	}
	return inf
}

// A source is asked for lists and streams of one Key.
type source struct {
	key Key
	ask func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error)
	run func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// List asks for the objects.
func (s source) List(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	o.LabelSelector, o.FieldSelector = s.key.Label, s.key.Field
	return s.ask(ctx, o)
}

// Watch asks for their changes.
func (s source) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.LabelSelector, o.FieldSelector = s.key.Label, s.key.Field
	return s.run(ctx, o)
}

// source returns where k is asked for.
func (s *Set) source(k Key, r resource) source {
	if r.client == nil {
		c := s.dynamic.Resource(r.group.WithResource(k.Resource)).Namespace(k.Namespace)
		return source{
			key: k,
			ask: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return c.List(ctx, o) },
			run: c.Watch,
		}
	}
	client := r.client(s.typed)
	lw := cache.NewFilteredListWatchFromClient(client, k.Resource, k.Namespace, func(*metav1.ListOptions) {})
	return source{key: k, ask: lw.ListWithContext, run: lw.WatchWithContext}
}
