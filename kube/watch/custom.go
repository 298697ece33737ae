package watch

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// A Custom is a custom resource as it is kept: read, or with the reason why it
// cannot be. A list whose objects are read one by one survives one that was
// written to another version of its definition.
type Custom struct {
	metav1.ObjectMeta                // name, namespace and versions; no labels
	Object            runtime.Object // nil if Err is not
	Err               error
}

// parse returns the transform that reads a custom resource into what empty
// returns.
func parse(empty func() runtime.Object) cache.TransformFunc {
	return func(obj any) (any, error) {
		u, ok := obj.(*unstructured.Unstructured)
		if !ok {
			return obj, nil // it was read before, or is a tombstone
		}
		out := &Custom{ObjectMeta: metav1.ObjectMeta{
			Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(),
			ResourceVersion: u.GetResourceVersion(), Generation: u.GetGeneration(),
		}}
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
		read := empty()
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, read); err != nil {
			out.Err = fmt.Errorf("read object: %w", err)
			return out, nil
		}
		if _, err := trimMeta(read); err != nil {
			return nil, err
		}
		out.Object = read
		return out, nil
	}
}
