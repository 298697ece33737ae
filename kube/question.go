package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
)

// A Question is what the API server is asked; also the words of an error.
type Question struct {
	Verb      string // get or list
	Resource  string // in the plural, such as pods
	Namespace string // empty: all, or the resource has none
	Name      string // of one object; empty: many

	// Label and Field narrow a list, as kubectl takes them. An account can be
	// allowed a narrow list and refused the whole one.
	Label, Field string
}

// String returns q as people say it: get secrets shop/db, list pods in
// namespace shop.
func (q Question) String() string {
	switch {
	case q.Name != "":
		return fmt.Sprintf("%s %s %s/%s", q.Verb, q.Resource, q.Namespace, q.Name)
	case q.Namespace != "":
		return fmt.Sprintf("%s %s in namespace %s", q.Verb, q.Resource, q.Namespace)
	}
	return q.Verb + " " + q.Resource
}

// Wrap puts q before an answer that is an error, and says after it what to do
// where that is known; nil stays nil. The URL of a request that failed is left
// out: q says what was asked, and URLs of watches are long and never the same.
func (q Question) Wrap(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; allow it in a role that is bound to the collector's account", q, err)
	}
	return fmt.Errorf("%s: %w", q, err)
}

// groupOf returns the path of the API group that has the resource.
func groupOf(resource string) string {
	switch resource {
	case "endpointslices":
		return "/apis/discovery.k8s.io/v1"
	case "ingresses":
		return "/apis/networking.k8s.io/v1"
	}
	return "/api/v1"
}

// May reports why a list cannot be had, by asking for one object of it; nil if
// it can.
func May(ctx context.Context, c kubernetes.Interface, q Question) error {
	req := c.CoreV1().RESTClient().Get().
		AbsPath(groupOf(q.Resource)).
		NamespaceIfScoped(q.Namespace, q.Namespace != "").
		Resource(q.Resource).
		Param("limit", "1")
	if q.Label != "" {
		req = req.Param("labelSelector", q.Label)
	}
	if q.Field != "" {
		req = req.Param("fieldSelector", q.Field)
	}
	return q.Wrap(req.Do(ctx).Error())
}
