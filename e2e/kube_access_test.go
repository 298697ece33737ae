package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// manifests are the files that users apply, in their order.
func manifests(t *testing.T, names ...string) (text string) {
	t.Helper()
	for _, name := range names {
		part, err := os.ReadFile(filepath.Join("..", "deploy", "kubernetes", name))
		if err != nil {
			t.Fatal(err)
		}
		text += "---\n" + string(part)
	}
	return text
}

// installed applies the manifests, all of which the API server takes as they
// are, and returns a token of the account in them.
func installed(t *testing.T, api *kubetest.Server) (token string) {
	t.Helper()
	api.InstallMonitors()
	api.Apply(manifests(t, "namespace.yaml", "rbac.yaml", "statefulset.yaml", "podmonitor.yaml"))
	return api.Token("divvy", "divvy")
}

// allowed returns what the roles of the manifests allow, each as "verb resource".
func allowed(t *testing.T) (out []string) {
	t.Helper()
	all, err := kubetest.Parse([]byte(manifests(t, "rbac.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		var role rbac.ClusterRole
		if o.GetKind() != "ClusterRole" {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					out = append(out, verb+" "+resource)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// An account without roles learns from each component which verb on which
// resource it is denied, and that is what the manifests allow: all of it, and
// nothing else. Once it is allowed, everything works without a restart.
func rolesAreWhatIsNeeded(t *testing.T, api *kubetest.Server) {
	w := newWorld(t, clusterFleet)
	api = api.With(t)
	api.AddNamespace("nobody", nil)
	account := "{kind: ServiceAccount, namespace: nobody, name: nobody}"
	api.Apply("{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: nobody, name: nobody}}")
	d := w.newDivvy()
	d.env = []string{"KUBECONFIG=" + api.Kubeconfig(api.Token("nobody", "nobody"))}
	d.args = experimental
	d.configure(everyComponent("nobody"))
	d.start()

	var denied []string
	defer func() {
		if t.Failed() {
			t.Logf("denied: %q\n%s", denied, d.ill())
		}
	}()
	w.until(20*time.Second, "every component says what it is denied", func() bool {
		denied = d.denied()
		return slices.Equal(denied, needed(allowed(t)))
	})
	for _, role := range []string{"divvy", "divvy-references"} {
		api.Apply(fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: nobody-%s}, "+
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}, subjects: [%s]}", role, role, account))
	}
	api.SetSecret("nobody", "one", map[string]string{"x": "plain"})
	api.Apply("{apiVersion: v1, kind: ConfigMap, metadata: {namespace: nobody, name: one}, data: {x: plain}}")
	w.until(time.Minute, "every component is well", func() bool { return d.ill() == "" })
}

// experimental lets nodes run every component.
var experimental = []string{"--stability.level=experimental"}

// everyComponent configures what asks the API server for something.
func everyComponent(space string) string {
	var b strings.Builder
	client := "client {\n kubeconfig_file = sys.env(\"KUBECONFIG\")\n }\n"
	for _, role := range []string{"pod", "service", "endpoints", "endpointslice", "node", "ingress"} {
		fmt.Fprintf(&b, "discovery.kubernetes %q {\n role = %q\n kubeconfig_file = sys.env(\"KUBECONFIG\")\n", role, role)
		if role == "pod" {
			b.WriteString("attach_metadata {\n node = true\n namespace = true\n }\n")
		}
		b.WriteString("}\n")
	}
	for _, kind := range []string{"podmonitors", "servicemonitors", "probes", "scrapeconfigs"} {
		fmt.Fprintf(&b, "prometheus.operator.%s \"all\" {\n forward_to = []\n namespaces = [%q]\n %s}\n", kind, space, client)
	}
	for _, kind := range []string{"secret", "configmap"} {
		fmt.Fprintf(&b, "remote.kubernetes.%s \"one\" {\n namespace = %q\n name = \"one\"\n poll_frequency = \"5s\"\n poll_timeout = \"4s\"\n %s}\n", kind, space, client)
	}
	return b.String()
}

// needed returns the resources of rights, once each, with the verb that is tried
// first.
func needed(rights []string) (out []string) {
	for _, r := range rights {
		if !strings.HasPrefix(r, "watch ") {
			out = append(out, r)
		}
	}
	return out
}

// denied returns what the components of d say that they are denied, each as
// "verb resource", once.
func (d *divvy) denied() (out []string) {
	for _, c := range d.components() {
		for _, line := range strings.Split(c.Health.Message, "\n") {
			what, _, found := strings.Cut(line, " is forbidden")
			words := strings.Fields(what)
			if found && len(words) > 1 {
				out = append(out, words[0]+" "+words[1][:len(strings.TrimSuffix(words[1], ":"))])
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ill returns what the components that are not healthy say.
func (d *divvy) ill() (text string) {
	for _, c := range d.components() {
		if c.Health.State != "healthy" {
			text += c.LocalID + ": " + c.Health.Message + "\n"
		}
	}
	return text
}

// A componentState is what the API says of a component.
type componentState struct {
	LocalID   string `json:"localID"`
	Health    struct{ State, Message string }
	Exports   json.RawMessage
	DebugInfo json.RawMessage
}

// components returns what d says of its components.
func (d *divvy) components() (all []componentState) {
	d.w.t.Helper()
	_, body := d.get("/api/v0/web/components")
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		d.w.t.Fatalf("components: %v in %s", err, body)
	}
	return all
}

// component returns what d says of one component.
func (d *divvy) component(id string) (c componentState) {
	d.w.t.Helper()
	_, body := d.get("/api/v0/web/components/" + id)
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		d.w.t.Fatalf("component %s: %v in %s", id, err, body)
	}
	return c
}

// Every role finds its objects, those that are selected, with the labels of what
// belongs to them.
func everyRoleFindsItsObjects(t *testing.T, api *kubetest.Server) {
	w := newWorld(t, clusterFleet)
	api = api.With(t)
	const space = "roles"
	api.AddNamespace(space, map[string]string{"team": "shop"})
	web := kubetest.Pod{Namespace: space, Name: "web", IP: "10.0.0.1", Ports: map[string]int32{"http": 80}, Labels: map[string]string{"app": "web"}, Node: "n7"}
	db := kubetest.Pod{Namespace: space, Name: "db", IP: "10.0.0.2", Ports: map[string]int32{"sql": 5432}, Labels: map[string]string{"app": "db"}}
	api.SetPods([]kubetest.Pod{web, db})
	api.SetService(space, "front", map[string]string{"tier": "front"}, web)
	addObjects(t, api, space)

	d := w.newDivvy()
	d.env = []string{"KUBECONFIG=" + api.Kubeconfig(api.Token("divvy", "divvy"))}
	d.args = experimental
	d.configure(selecting(space))
	d.start()
	f := func(id string, want ...string) {
		t.Helper()
		var got string
		defer func() {
			if t.Failed() {
				t.Logf("%s exports %.3000s", id, got)
			}
		}()
		w.until(20*time.Second, id+" finds what is there", func() bool {
			got = string(d.component(id).Exports)
			return !slices.ContainsFunc(want, func(s string) bool { return !strings.Contains(got, s+`"`) })
		})
		if strings.Contains(got, "10.0.0.2") {
			t.Errorf("%s finds what is not selected", id)
		}
	}
	f("discovery.kubernetes.pod", "10.0.0.1:80", "web", "__meta_kubernetes_node_label_zone", "z1", "__meta_kubernetes_namespace_label_team", "shop")
	f("discovery.kubernetes.service", "front.roles.svc:80")
	f("discovery.kubernetes.endpointslice", "10.0.0.1:80", "__meta_kubernetes_pod_name", "web", "__meta_kubernetes_service_label_tier", "front")
	f("discovery.kubernetes.endpoints", "10.0.0.3:81")
	f("discovery.kubernetes.node", "192.0.2.7:10250")
	f("discovery.kubernetes.ingress", "shop.example.org", "/cart")
	f("remote.kubernetes.configmap.one", "x", `plain\`)
	w.until(20*time.Second, "the secret is there and hidden", func() bool {
		got := string(d.component("remote.kubernetes.secret.one").Exports)
		return strings.Contains(got, `"password"`) && !strings.Contains(got, "hush")
	})
	api.DeletePod(space, "web")
	w.until(20*time.Second, "what is gone is forgotten", func() bool {
		return !strings.Contains(string(d.component("discovery.kubernetes.pod").Exports), "10.0.0.1")
	})
	if ill := d.ill(); ill != "" {
		t.Error(ill)
	}
}

// addObjects creates one of each of the rarer kinds.
func addObjects(t *testing.T, api *kubetest.Server, space string) {
	t.Helper()
	ctx, c, opts := t.Context(), api.Client(), metav1.CreateOptions{}
	meta := metav1.ObjectMeta{Namespace: space, Name: "one"}
	prefix := networking.PathTypePrefix
	path := networking.HTTPIngressPath{Path: "/cart", PathType: &prefix, Backend: networking.IngressBackend{
		Service: &networking.IngressServiceBackend{Name: "front", Port: networking.ServiceBackendPort{Number: 80}},
	}}
	node, err := c.CoreV1().Nodes().Create(ctx, &core.Node{ObjectMeta: metav1.ObjectMeta{Name: "n7", Labels: map[string]string{"zone": "z1"}}}, opts)
	check(t, err)
	node.Status.Addresses = []core.NodeAddress{{Type: core.NodeInternalIP, Address: "192.0.2.7"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = 10250
	_, err = c.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	check(t, err)
	_, err = c.NetworkingV1().Ingresses(space).Create(ctx, &networking.Ingress{ObjectMeta: meta, Spec: networking.IngressSpec{
		Rules: []networking.IngressRule{{Host: "shop.example.org", IngressRuleValue: networking.IngressRuleValue{
			HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{path}},
		}}},
	}}, opts)
	check(t, err)
	// The kind is on its way out, and still what the default of the operator's
	// kinds discovers.
	api.Apply(fmt.Sprintf("{apiVersion: v1, kind: Endpoints, metadata: {namespace: %s, name: front}, "+
		"subsets: [{addresses: [{ip: 10.0.0.3}], ports: [{port: 81}]}]}", space))
	api.Apply(fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {namespace: %s, name: one}, data: {x: plain}}", space))
	api.SetSecret(space, "one", map[string]string{"password": "hush"})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// selecting configures every component for Kubernetes, for one namespace, and
// for what is labelled app=web where that can be.
func selecting(space string) string {
	text := everyComponent(space)
	for _, role := range []string{"pod", "service", "endpoints", "endpointslice", "ingress"} {
		more := fmt.Sprintf("namespaces {\n names = [%q]\n }\n", space)
		if role == "pod" {
			more += "selectors {\n role = \"pod\"\n label = \"app=web\"\n field = \"status.phase=Running\"\n }\n"
		}
		head := fmt.Sprintf("discovery.kubernetes %q {\n", role)
		text = strings.Replace(text, head, head+more, 1)
	}
	return text
}
