package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/fleet/lookup"
)

// A pod is what an API server tells of one, as far as it matters here.
func pod(name, ip, phase string, ready bool) map[string]any {
	status := "False"
	if ready {
		status = "True"
	}
	return map[string]any{
		"metadata": map[string]any{"name": name, "annotations": map[string]string{}},
		"status": map[string]any{
			"phase": phase, "podIP": ip, "hostIP": "192.168.0.1",
			"conditions": []map[string]string{{"type": "Ready", "status": status}},
		},
	}
}

// api answers for the pods app=divvy of the namespace monitoring, and writes
// down what it was asked.
func api(t *testing.T, asked *[]string, pods ...map[string]any) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path+" "+r.URL.Query().Get("labelSelector"))
		list := map[string]any{"kind": "PodList", "apiVersion": "v1", "items": []map[string]any{}}
		if r.URL.Path == "/api/v1/namespaces/monitoring/pods" && r.URL.Query().Get("labelSelector") == "app=divvy" {
			list["items"] = pods
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "%s"}}]
users: [{name: u}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// look asks as --cluster.discover-peers does.
func look(t *testing.T, question string) ([]string, error) {
	c := lookup.Config{Provider: question, Port: 12345, Providers: map[string]lookup.Provider{Name: Provider()}}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	return c.Peers(t.Context())
}

func TestReadyPodsAreFoundByTheirLabels(t *testing.T) {
	named := pod("d", "10.1.0.5", "Running", true)
	named["metadata"].(map[string]any)["annotations"] = map[string]string{"consul.hashicorp.com/auto-join-port": "8080"}
	var asked []string
	config := api(t, &asked,
		pod("a", "10.1.0.1", "Running", true), pod("b", "10.1.0.2", "Pending", false),
		pod("c", "10.1.0.3", "Running", false), named, pod("e", "", "Running", true))
	f := func(keys string, want ...string) {
		t.Helper()
		got, err := look(t, "provider=k8s kubeconfig="+config+" "+keys)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", keys, err, diff)
		}
	}
	f(`namespace=monitoring label_selector="app=divvy"`, "10.1.0.1:12345", "10.1.0.5:8080")
	f(`namespace=monitoring label_selector="app=divvy" host_network=true`, "192.168.0.1:12345", "192.168.0.1:8080")
	f(`namespace=monitoring label_selector="app=other"`)
	f(`label_selector="app=divvy"`)
	if want := "/api/v1/namespaces/monitoring/pods app=divvy"; asked[0] != want {
		t.Errorf("asked %q; want %q", asked[0], want)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	var asked []string
	config := api(t, &asked)
	f := func(keys, want string) {
		t.Helper()
		if _, err := look(t, "provider=k8s "+keys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", keys, err, want)
		}
	}
	f("kubeconfig=/does/not/exist", "error loading kubeconfig")
	f("namespace=monitoring label_selector=\"a==b==c\" host_network=perhaps kubeconfig="+config, "host_network must be boolean")
}
