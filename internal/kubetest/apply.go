package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	crd "github.com/prometheus-operator/prometheus-operator/example"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// Parse returns the objects of manifests, as kubectl reads them.
func Parse(manifests []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	in := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		o := &unstructured.Unstructured{}
		switch err := in.Decode(o); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read manifests: %w", err)
		case o.Object != nil:
			all = append(all, o)
		}
	}
}

// Must returns the one object of a manifest that a test wrote.
func Must(manifest string) *unstructured.Unstructured {
	all, err := Parse([]byte(manifest))
	if err != nil || len(all) != 1 {
		panic(fmt.Sprintf("BUG: %d objects, %v in %s", len(all), err, manifest))
	}
	return all[0]
}

// Apply makes the objects of manifests what they say, as kubectl apply
// --server-side does: fields that the server does not know are refused.
func (s *Server) Apply(manifests string) {
	s.t.Helper()
	all, err := Parse([]byte(manifests))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range all {
		if err := s.Try(o); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Try applies one object and returns what the server says against it.
func (s *Server) Try(o *unstructured.Unstructured) error {
	r, err := s.resource(o)
	if err != nil {
		return err
	}
	_, err = r.Apply(s.t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubetest", Force: true})
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// Delete removes an object that Apply made. Of o only kind, namespace and name
// count.
func (s *Server) Delete(o *unstructured.Unstructured) {
	s.t.Helper()
	r, err := s.resource(o)
	if err == nil {
		err = r.Delete(s.t.Context(), o.GetName(), metav1.DeleteOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// DeleteMonitor removes a monitor of one of the four kinds.
func (s *Server) DeleteMonitor(kind, namespace, name string) {
	s.t.Helper()
	version := "monitoring.coreos.com/v1"
	if kind == "ScrapeConfig" {
		version += "alpha1"
	}
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(version)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	s.Delete(o)
}

// resource returns the client of the kind of o, in its namespace if it has one.
// A plural is the kind and an s, or es, as for all kinds that are used here.
func (s *Server) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gv, err := schema.ParseGroupVersion(o.GetAPIVersion())
	if err != nil {
		return nil, fmt.Errorf("read version of %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(o.GetKind()))
	if o.GetNamespace() == "" {
		return s.dynamic.Resource(plural), nil
	}
	return s.dynamic.Resource(plural).Namespace(o.GetNamespace()), nil
}

// monitors are the resources of the four kinds of which scrape jobs are made.
var monitors = []string{"podmonitors", "servicemonitors", "probes", "scrapeconfigs"}

// InstallMonitors makes the API server know PodMonitors, ServiceMonitors, Probes
// and ScrapeConfigs, by the definitions that come with prometheus-operator, and
// waits until it serves them.
func (s *Server) InstallMonitors() {
	s.t.Helper()
	var text bytes.Buffer
	if err := crd.PrintAll(&text); err != nil {
		s.t.Fatal(err)
	}
	for _, doc := range strings.Split(text.String(), "\n---\n") {
		for _, name := range monitors {
			if strings.Contains(doc, "\n  name: "+name+".monitoring.coreos.com\n") {
				s.Apply(doc)
			}
		}
	}
	for _, name := range monitors {
		version := "v1"
		if name == "scrapeconfigs" {
			version = "v1alpha1"
		}
		gvr := schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: version, Resource: name}
		s.Until(30*time.Second, name+" are served", func() bool {
			_, err := s.dynamic.Resource(gvr).List(context.Background(), metav1.ListOptions{})
			return err == nil
		})
	}
}
