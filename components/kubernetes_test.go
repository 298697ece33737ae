package components

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/encoding/alloyjson"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A cluster is an API server with one page for each path: an object, or a list
// that can be watched.
type cluster struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string][]string // by path, in JSON
	denied  map[string]bool     // paths that are refused
	asked   []url.URL
	changed chan struct{} // closed by the next change
}

// kinds are the kinds of the objects of lists.
var kinds = map[string][2]string{
	"pods": {"v1", "Pod"}, "services": {"v1", "Service"}, "nodes": {"v1", "Node"}, "namespaces": {"v1", "Namespace"},
	"endpointslices": {"discovery.k8s.io/v1", "EndpointSlice"},
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{objects: map[string][]string{}, denied: map[string]bool{}, changed: make(chan struct{})}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.CloseClientConnections()
		c.Close()
	})
	return c
}

// set makes the objects those at a path, and tells who watches.
func (c *cluster) set(path string, objects ...string) {
	c.change(func() { c.objects[path] = objects })
}

// deny makes the path one that the account may not read, or may again.
func (c *cluster) deny(path string, is bool) { c.change(func() { c.denied[path] = is }) }

func (c *cluster) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// look returns what is at a path now, and what is closed when that changes.
func (c *cluster) look(path string) (objects []string, there, denied bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	objects, there = c.objects[path]
	return objects, there, c.denied[path], c.changed
}

// saw reports whether a request for the path had all of the parameters.
func (c *cluster) saw(path string, want url.Values) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.asked, func(u url.URL) bool {
		for name := range want {
			if u.Query().Get(name) != want.Get(name) {
				return false
			}
		}
		return u.Path == path
	})
}

// ServeHTTP answers as an API server does.
func (c *cluster) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c.mu.Lock()
	c.asked = append(c.asked, *req.URL)
	c.mu.Unlock()
	parts := strings.Split(req.URL.Path, "/")
	last := parts[len(parts)-1]
	w.Header().Set("Content-Type", "application/json")
	objects, there, denied, _ := c.look(req.URL.Path)
	kind, list := kinds[last]
	switch {
	case denied:
		refuse(w, http.StatusForbidden, "Forbidden", fmt.Sprintf(`%s is forbidden: User "u" cannot do that`, last))
	case !there && !list:
		refuse(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%q not found", last))
	case !list:
		fmt.Fprint(w, objects[0])
	case req.URL.Query().Get("watch") != "":
		c.watch(w, req, kind)
	default:
		fmt.Fprintf(w, `{"apiVersion": %q, "kind": "%sList", "metadata": {"resourceVersion": "1"}, "items": [%s]}`, kind[0], kind[1], strings.Join(objects, ","))
	}
}

// refuse answers with a refusal.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code,
	})
}

// watch tells of each object that comes or goes until the client leaves.
func (c *cluster) watch(w http.ResponseWriter, req *http.Request, kind [2]string) {
	var known []string
	tell := func(event, object string) {
		object = strings.Replace(object, "{", fmt.Sprintf(`{"apiVersion": %q, "kind": %q,`, kind[0], kind[1]), 1)
		fmt.Fprintf(w, "{\"type\": %q, \"object\": %s}\n", event, object)
	}
	objects, _, _, changed := c.look(req.URL.Path)
	initial := req.URL.Query().Get("sendInitialEvents") == "true"
	if !initial {
		known = objects
	}
	for {
		for _, o := range objects {
			if !slices.Contains(known, o) {
				tell("ADDED", o)
			}
		}
		for _, o := range known {
			if !slices.Contains(objects, o) {
				tell("DELETED", o)
			}
		}
		if initial {
			tell("BOOKMARK", `{"metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}}`)
			initial = false
		}
		w.(http.Flusher).Flush()
		known = objects
		select {
		case <-req.Context().Done():
			return
		case <-changed:
		}
		objects, _, _, changed = c.look(req.URL.Path)
	}
}

// podAt returns a pod of the namespace shop with that name and address.
func podAt(name, ip string) string {
	return fmt.Sprintf(`{"metadata": {"namespace": "shop", "name": %q, "resourceVersion": "1"},
		"spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
		"status": {"podIP": %q}}`, name, ip)
}

// at reports whether the targets are at these addresses, in any order.
func at(want ...string) func(targetsExport) bool {
	return func(x targetsExport) bool {
		got := []string{}
		for _, t := range x.Targets {
			got = append(got, t.Target.Get("__address__"))
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}
}

func TestDiscoveryKubernetesFollowsTheWatch(t *testing.T) {
	t.Parallel() // lists come five seconds apart
	c := newCluster(t)
	const path = "/api/v1/namespaces/shop/pods"
	c.set(path, podAt("a", "10.0.0.1"))
	r := start(t, newDiscoveryKubernetes, fmt.Sprintf(`
		api_server = %q
		role       = "pod"
		namespaces { names = ["shop"] }
		selectors {
			role  = "pod"
			label = "app=web"
			field = "spec.nodeName=n1"
		}`, c.URL), nil)
	await(r, at("10.0.0.1:80"))
	awaitHealth(r, component.Healthy, "watching pods")
	c.set(path, podAt("a", "10.0.0.1"), podAt("b", "10.0.0.2"))
	await(r, at("10.0.0.1:80", "10.0.0.2:80"))
	if !c.saw(path, url.Values{"watch": {"true"}, "labelSelector": {"app=web"}, "fieldSelector": {"spec.nodeName=n1"}}) {
		t.Error("the selectors are not in the request for the watch")
	}
}

func TestDiscoveryKubernetesFindsEveryRole(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.set("/api/v1/pods", podAt("a", "10.0.0.1"))
	c.set("/api/v1/services", `{"metadata": {"namespace": "shop", "name": "s", "resourceVersion": "1"}, "spec": {"ports": [{"port": 81}]}}`)
	c.set("/api/v1/nodes", `{"metadata": {"name": "n1", "resourceVersion": "1"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}`)
	c.set("/apis/discovery.k8s.io/v1/endpointslices", `{"metadata": {"namespace": "shop", "name": "s-1", "resourceVersion": "1", "labels": {"kubernetes.io/service-name": "s"}},
		"addressType": "IPv4", "ports": [{"port": 82}], "endpoints": [{"addresses": ["10.0.0.9"]}]}`)
	f := func(role, want string) {
		t.Run(role, func(t *testing.T) {
			r := start(t, newDiscoveryKubernetes, fmt.Sprintf("api_server = %q\nrole = %q", c.URL, role), nil)
			await(r, at(want))
			awaitHealth(r, component.Healthy, "watching")
		})
	}
	f("pod", "10.0.0.1:80")
	f("service", "s.shop.svc:81")
	f("endpointslice", "10.0.0.9:82")
	f("node", "192.0.2.1:10250")
}

// What the API server refuses is the health of the component, in its words.
func TestDiscoveryKubernetesSaysWhatIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.deny("/api/v1/namespaces/shop/services", true)
	body := fmt.Sprintf("api_server = %q\nrole = \"endpointslice\"\nnamespaces { names = [\"shop\"] }\n", c.URL)
	r := start(t, newDiscoveryKubernetes, body, nil)
	awaitHealth(r, component.Unhealthy, `list services in namespace shop: services is forbidden: User "u" cannot do that; allow it in a role`)
	c.deny("/api/v1/namespaces/shop/services", false)
	if err := r.update(body); err != nil {
		t.Fatal(err)
	}
	awaitHealth(r, component.Healthy, "watching endpointslices, services, pods")
}

func TestKubernetesArgumentsThatExcludeEachOtherAreRefused(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		var a kubernetesSDArguments
		if err := evaluate(t, body, &a, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v; want %q", body, err, want)
		}
	}
	f(`role = "pods"`, "unknown role")
	f("role = \"pod\"\napi_server = \"http://x\"\nkubeconfig_file = \"x\"", "exclude each other")
	f("role = \"pod\"\nkubeconfig_file = \"x\"\nbearer_token = \"x\"", "remove the HTTP client's arguments")
	f("role = \"pod\"\nbearer_token = \"x\"", "need api_server")
	f("role = \"pod\"\napi_server = \"x\"", "must begin with http://")
	f("role = \"pod\"\napi_server = \"http://x\"\nnamespaces { own_namespace = true }", "give the names")
	f("role = \"node\"\nselectors { role = \"pod\" }", `selectors > role "pod": with role node it is one of node`) // what is quoted is where the mistake is shown
	f("role = \"pod\"\nselectors {\nrole = \"pod\"\nlabel = \"a in (\"\n}", `label "a in ("`)
	f("role = \"pod\"\nselectors { role = \"pod\" }\nselectors { role = \"pod\" }", "there twice")
}

// entries reports whether the entries are these, each as name=value.
func entries(secret bool, want ...string) func(kubernetesExport) bool {
	return func(x kubernetesExport) bool {
		got := []string{}
		for name, value := range x.Data {
			if value.IsSecret == secret {
				got = append(got, name+"="+value.Value)
			}
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}
}

func TestRemoteKubernetesFollowsItsObject(t *testing.T) {
	t.Parallel()
	f := func(object kubernetesObject, one, two string, secret bool) {
		t.Run(object.resource, func(t *testing.T) {
			c := newCluster(t)
			path := "/api/v1/namespaces/shop/" + object.resource + "/db"
			r := start(t, newRemoteKubernetes(object), fmt.Sprintf(`
				namespace      = "shop"
				name           = "db"
				poll_frequency = "20ms"
				poll_timeout   = "19ms"
				client {
					api_server = %q
				}`, c.URL), nil)
			awaitHealth(r, component.Unhealthy, "get "+object.resource+` shop/db: "db" not found`)
			if len(r.exports) != 0 {
				t.Errorf("exported %v before an answer", <-r.exports)
			}
			c.set(path, fmt.Sprintf(`{"data": {"user": %q}}`, one))
			await(r, entries(secret, "user=one"))
			awaitHealth(r, component.Healthy, "polled 1 entries")
			c.deny(path, true)
			awaitHealth(r, component.Unhealthy, "get "+object.resource+" shop/db: db is forbidden")
			if len(r.exports) != 0 {
				t.Errorf("exported %v while the last entries stand", <-r.exports)
			}
			c.deny(path, false)
			c.set(path, fmt.Sprintf(`{"data": {"user": %q, "x": ""}}`, two))
			await(r, entries(secret, "user=two", "x="))
		})
	}
	f(kubernetesConfigMap(), "one", "two", false)
	f(kubernetesSecret(), "b25l", "dHdv", true)
}

func TestEntriesOfSecretsAreNeverShown(t *testing.T) {
	x := kubernetesExport{Data: map[string]alloytypes.OptionalSecret{"password": {IsSecret: true, Value: "hush"}}}
	text, err := alloyjson.MarshalBody(x)
	if err != nil || !strings.Contains(string(text), "password") || strings.Contains(string(text), "hush") {
		t.Errorf("shown as %s, %v", text, err)
	}
}

func TestDiscoveryKubeletHandsItsArgumentsOn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer hush" || req.URL.Path != "/sub/pods" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"items": [%s]}`, podAt("a", "10.0.0.1"))
	}))
	defer srv.Close()
	r := start(t, newFinder(kubeletSDArguments.source), fmt.Sprintf(`
		url          = "%s/sub"
		bearer_token = secret
		namespaces   = ["shop"]`, srv.URL), map[string]any{"secret": secretText})
	await(r, at("10.0.0.1:80"))
}
