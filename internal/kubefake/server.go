// Package kubefake is the part of a Kubernetes API server that informers see,
// for tests that must be fast: lists, watches and single objects, in memory.
//
// What it has is what a test has Set. It refuses what it is told to (Deny), is
// gone when it is told to be (Down), forgets where watches were (Expire), and
// counts what it was asked.
//
// Selectors of labels are obeyed, those of fields are not. The rest of an API
// server, and whether this one tells the truth, is internal/kubetest's.
package kubefake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// A Server is a fake API server. Any number of goroutines may use it at the
// same time.
type Server struct {
	t    testing.TB
	http *httptest.Server

	mu      sync.Mutex // guards the fields below
	version int
	objects map[key]runtime.Object
	changes []change
	epoch   int            // one more whenever watches are to end
	news    chan struct{}  // closed at every change
	denied  map[string]int // resource: the status that it is answered with
	down    bool
	asked   map[string]int // how often, by verb and resource
}

// A key names an object.
type key struct{ resource, namespace, name string }

// A change is what a watch tells.
type change struct {
	version int
	kind    string // ADDED, MODIFIED or DELETED
	key     key
	object  runtime.Object
}

// Start returns a Server that ends with the test.
func Start(t testing.TB) *Server {
	s := &Server{
		t: t, version: 1, objects: map[key]runtime.Object{}, news: make(chan struct{}),
		denied: map[string]int{}, asked: map[string]int{},
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(func() { s.http.CloseClientConnections(); s.http.Close() })
	return s
}

// Config returns how clients connect.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.http.URL, QPS: -1} }

// Set creates or replaces an object of a resource, which is the plural.
func (s *Server) Set(resource string, obj runtime.Object) {
	s.t.Helper()
	m, err := meta.Accessor(obj)
	if err != nil {
		s.t.Fatal(err)
	}
	obj = obj.DeepCopyObject()
	obj.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(versionOf(resource), kindOf(resource)))
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{resource, m.GetNamespace(), m.GetName()}
	kind := "MODIFIED"
	if s.objects[k] == nil {
		kind = "ADDED"
	}
	s.record(k, kind, obj)
	s.objects[k] = obj
}

// Delete removes an object.
func (s *Server) Delete(resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{resource, namespace, name}
	if obj := s.objects[k]; obj != nil {
		s.record(k, "DELETED", obj.DeepCopyObject())
		delete(s.objects, k)
	}
}

// record notes a change and wakes the watches; mu is held.
func (s *Server) record(k key, kind string, obj runtime.Object) {
	s.version++
	if m, err := meta.Accessor(obj); err == nil {
		m.SetResourceVersion(fmt.Sprint(s.version))
	}
	s.changes = append(s.changes, change{s.version, kind, k, obj})
	s.wake()
}

// wake wakes the watches; mu is held.
func (s *Server) wake() {
	close(s.news)
	s.news = make(chan struct{})
}

// Deny has questions for a resource answered with a status: forbidden, not found
// or internal server error; 0 allows them.
func (s *Server) Deny(resource string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[resource] = status
	s.epoch++
	s.wake()
}

// Down makes the server refuse everything, or answer again.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	s.epoch++
	s.wake()
}

// Expire ends all watches and forgets where they were, so that clients have to
// list again.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = nil
	s.epoch++
	s.wake()
}

// Asked returns how often a verb (list, watch or get) was asked of a resource.
func (s *Server) Asked(verb, resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[verb+" "+resource]
}

// A question is a request, read.
type question struct {
	verb string
	key
	selector labels.Selector
	since    int
}

// read reads a request: /api/v1 or /apis/group/version, then namespaces/x, the
// resource and a name.
func read(r *http.Request) (question, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "api" {
		parts = parts[2:]
	} else {
		parts = parts[3:]
	}
	q := question{verb: "list"}
	if len(parts) > 2 && parts[0] == "namespaces" {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.resource = parts[0]
	if len(parts) > 1 {
		q.verb, q.name = "get", parts[1]
	}
	if r.URL.Query().Get("watch") != "" {
		q.verb = "watch"
	}
	_, _ = fmt.Sscan(r.URL.Query().Get("resourceVersion"), &q.since)
	var err error
	q.selector, err = labels.Parse(r.URL.Query().Get("labelSelector"))
	return q, err
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := read(r)
	if err != nil {
		refuse(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	s.mu.Lock()
	s.asked[q.verb+" "+q.resource]++
	down, denied := s.down, s.denied[q.resource]
	s.mu.Unlock()
	resource := schema.GroupResource{Resource: q.resource}
	switch {
	case down:
		refuse(w, apierrors.NewServiceUnavailable("down"))
	case denied == http.StatusForbidden:
		refuse(w, apierrors.NewForbidden(resource, q.name, errors.New("no role allows it")))
	case denied == http.StatusNotFound:
		refuse(w, apierrors.NewGenericServerResponse(denied, q.verb, resource, q.name, "", 0, true))
	case denied == http.StatusInternalServerError:
		refuse(w, apierrors.NewInternalError(errors.New("broken")))
	case r.URL.Query().Get("sendInitialEvents") != "":
		refuse(w, apierrors.NewInvalid(schema.GroupKind{}, "", nil))
	case q.verb == "get":
		s.get(w, q)
	case q.verb == "watch":
		s.watch(w, r, q)
	default:
		s.list(w, q)
	}
}

// get answers with one object.
func (s *Server) get(w http.ResponseWriter, q question) {
	s.mu.Lock()
	obj := s.objects[q.key]
	s.mu.Unlock()
	if obj == nil {
		refuse(w, apierrors.NewNotFound(schema.GroupResource{Resource: q.resource}, q.name))
		return
	}
	answer(w, http.StatusOK, obj)
}

// wants reports whether q is about an object.
func (q question) wants(k key, obj runtime.Object) bool {
	m, err := meta.Accessor(obj)
	return err == nil && k.resource == q.resource && (q.namespace == "" || q.namespace == k.namespace) &&
		q.selector.Matches(labels.Set(m.GetLabels()))
}

// list answers with the objects that q wants.
func (s *Server) list(w http.ResponseWriter, q question) {
	s.mu.Lock()
	items := []runtime.Object{}
	for k, obj := range s.objects {
		if q.wants(k, obj) {
			items = append(items, obj)
		}
	}
	version := s.version
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"kind": kindOf(q.resource) + "List", "apiVersion": versionOf(q.resource),
		"metadata": map[string]string{"resourceVersion": fmt.Sprint(version)}, "items": items,
	})
}

// kindOf returns what an object of a resource is called.
func kindOf(resource string) string {
	return map[string]string{
		"pods": "Pod", "services": "Service", "endpoints": "Endpoints", "nodes": "Node", "namespaces": "Namespace",
		"endpointslices": "EndpointSlice", "ingresses": "Ingress", "secrets": "Secret", "configmaps": "ConfigMap",
		"podmonitors": "PodMonitor", "servicemonitors": "ServiceMonitor", "probes": "Probe", "scrapeconfigs": "ScrapeConfig",
	}[resource]
}

// versionOf returns the version of the API that has a resource.
func versionOf(resource string) string {
	switch resource {
	case "podmonitors", "servicemonitors", "probes":
		return "monitoring.coreos.com/v1"
	case "scrapeconfigs":
		return "monitoring.coreos.com/v1alpha1"
	case "endpointslices":
		return "discovery.k8s.io/v1"
	case "ingresses":
		return "networking.k8s.io/v1"
	}
	return "v1"
}

// watch tells the changes that q wants until the client goes or watches end.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, q question) {
	s.mu.Lock()
	epoch := s.epoch
	gone := q.since < s.version && len(s.changes) == 0
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	if gone {
		status := apierrors.NewResourceExpired("too old").Status()
		_ = out.Encode(map[string]any{"type": "ERROR", "object": status})
		return
	}
	flush := http.NewResponseController(w).Flush
	for _ = flush(); ; _ = flush() {
		list, news, ended := s.since(q, epoch)
		for _, c := range list {
			q.since = c.version
			if q.wants(c.key, c.object) {
				_ = out.Encode(map[string]any{"type": c.kind, "object": c.object})
			}
		}
		if ended {
			return
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

// since returns the changes after the last one that q has seen, what tells of
// the next, and whether watches have to end.
func (s *Server) since(q question, epoch int) ([]change, <-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []change
	for _, c := range s.changes {
		if c.version > q.since {
			list = append(list, c)
		}
	}
	return list, s.news, s.epoch != epoch
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	answer(w, int(status.Code), status)
}

// answer writes a JSON body.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
