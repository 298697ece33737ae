package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// monitored finds pods by the PodMonitors of namespaces.
func monitored(spaces ...string) string {
	return fmt.Sprintf(`
prometheus.operator.podmonitors "pods" {
  forward_to = [prometheus.remote_write.sink.receiver]
  namespaces = ["%s"]
  client {
    kubeconfig_file = sys.env("KUBECONFIG")
  }
  clustering {
    enabled = true
  }
}
`, strings.Join(spaces, `", "`))
}

// toOnePort are the relabelings of a monitor that lead all ports of a pod to
// one.
const toOnePort = `
    relabelings:
    - sourceLabels: [__address__, __meta_kubernetes_pod_annotation_example_org_port]
      regex: "([^:]+):\\d+;(\\d+)"
      replacement: "$1:$2"
      targetLabel: __address__
`

// monitor makes a PodMonitor select the pods with the label app, with more
// fields of its endpoint, indented by four.
func (k *kube) monitor(name, app, more string) {
	k.t.Helper()
	k.api.Apply(fmt.Sprintf(`
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {namespace: %s, name: %s}
spec:
  selector: {matchLabels: {app: %s}}
  podMetricsEndpoints:
  - interval: 5s
    scrapeTimeout: 4s
%s`, k.space, name, app, more))
}

// A crd is what a node says of an object.
type crd struct {
	Namespace, Name string
	ReconcileError  string `json:"reconcile_error"`
}

// errorOf returns what d says is wrong with an object; ok says whether it knows
// the object.
func (d *divvy) errorOf(name string) (text string, ok bool) {
	info := string(d.component("prometheus.operator.podmonitors.pods").DebugInfo)
	for _, c := range crds(d.w.t, info) {
		if c.Name == name {
			return c.ReconcileError, true
		}
	}
	return "", false
}

// crds reads the blocks crds of what a component says of itself.
func crds(t *testing.T, info string) (all []crd) {
	t.Helper()
	var blocks []struct {
		Name string
		Body []struct {
			Name  string
			Value struct{ Value any }
		}
	}
	if err := json.Unmarshal([]byte(info), &blocks); err != nil {
		t.Fatalf("%v in %.1000s", err, info)
	}
	for _, b := range blocks {
		var c crd
		for _, a := range b.Body {
			text, _ := a.Value.Value.(string)
			switch a.Name {
			case "name":
				c.Name = text
			case "namespace":
				c.Namespace = text
			case "reconcile_error":
				c.ReconcileError = text
			}
		}
		if b.Name == "crds" {
			all = append(all, c)
		}
	}
	return all
}

// Objects that are wrong, or become so, harm themselves alone, and say why.
func wrongObjectsHarmThemselvesAlone(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 20, 3)
	k.configured(monitored(k.space), "a", "b", "c")
	k.monitor("good", "web", toOnePort)
	k.bear(0, 20)
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, 20)

	k.monitor("regex", "nobody", strings.Replace(toOnePort, `"([^:]+):`, `"([^:]+:`, 1))
	k.monitor("secretless", "nobody", `
    port: http
    basicAuth:
      username: {name: nothing, key: user}
      password: {name: nothing, key: password}
`)
	f := func(name string, want ...string) {
		t.Helper()
		for _, node := range []string{"a", "b", "c"} {
			var text string
			k.until(seen, node+" says what is wrong with "+name, func() bool {
				text, _ = k.node(node).errorOf(name)
				return text != ""
			})
			t.Logf("%s of %s: %s", node, name, text)
			if slices.ContainsFunc(want, func(s string) bool { return !strings.Contains(text, s) }) {
				t.Errorf("%s says of %s: %s; want %q", node, name, text, want)
			}
		}
	}
	f("regex", "regex", "relabel")
	f("secretless", "nothing", "basicAuth")
	if text, ok := k.node("a").errorOf("good"); text != "" || !ok {
		t.Errorf("what is right is said to be %q, %v", text, ok)
	}
	k.api.SetSecret(k.space, "nothing", map[string]string{"user": "u", "password": "p"})
	k.until(forgotten, "the secret is found", func() bool {
		text, ok := k.node("a").errorOf("secretless")
		return ok && text == ""
	})
	k.wait(2 * slotEvery)
	k.rhythm()
	k.marked(0)
	k.arrivedAll()
}

// forgotten is how long nodes may take to learn that a secret is another: they
// ask for it every half minute.
const forgotten = 45 * time.Second

// A password that is changed where the targets and the secret have it is used
// from the next time that the secret is read.
func rotatedSecretIsUsed(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 12, 2)
	k.configured(monitored(k.space), "a", "b")
	k.monitor("guarded", "web", toOnePort+`
    basicAuth:
      username: {name: web, key: user}
      password: {name: web, key: password}
`)
	rotate := func(password string) {
		k.password.Store(&password)
		k.api.SetSecret(k.space, "web", map[string]string{"user": "u", "password": password})
	}
	rotate("one")
	k.bear(0, 12)
	k.start("a", "b")
	k.reached(seen+2*slotEvery, 0, 12)
	rotate("two")
	at := time.Now()
	k.reached(forgotten+slotEvery, 0, 12)
	t.Logf("the new password was used after %s", time.Since(at))
	_, metrics := k.node("a").get("/metrics")
	text := string(k.node("a").component("prometheus.operator.podmonitors.pods").DebugInfo) + metrics + k.node("a").log()
	if strings.Contains(text, `"two"`) || strings.Contains(text, `"one"`) {
		t.Error("a password is shown")
	}
	k.arrivedAll()
}

// A monitor that is removed while its targets move, and a namespace that is,
// end their series once, and no others.
func removalDuringMoveEndsSeriesOnce(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 60, 3)
	other := *k
	other.space += "-other"
	k.configured(monitored(k.space, other.space), "a", "b", "c")
	k.monitor("stays", "web", toOnePort)
	k.monitor("goes", "db", toOnePort)
	k.api.AddNamespace(other.space, nil)
	other.monitor("web", "web", toOnePort)
	k.bear(0, 20)
	k.bearAs(20, 40, func(p *kubetest.Pod) { p.Labels["app"] = "db" })
	k.bearAs(40, 60, func(p *kubetest.Pod) { p.Namespace = other.space })
	k.start("a", "b")
	k.reached(seen+2*slotEvery, 0, 60)

	k.node("c").launch()
	k.until(30*time.Second, "c announces itself", func() bool {
		return strings.Contains(k.node("c").log(), "stage=joining")
	})
	k.api.DeleteMonitor("PodMonitor", k.space, "goes")
	k.api.DeleteNamespace(other.space)
	for n := 20; n < 60; n++ {
		k.lives[n].died = time.Now()
	}
	k.node("c").ready()
	k.until(seen+2*slotEvery, "what is gone is scraped no more", func() bool { return k.quiet(20, 60) })
	k.wait(2 * slotEvery)
	k.rhythm()
	k.marked(0)
	k.arrivedAll()
}

// Thousands of objects that are no targets cost little.
func manyObjectsCostLittle(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 10, 1)
	k.configured(monitored(k.space), "a")
	k.monitor("web", "web", toOnePort)
	k.bear(0, 10)
	k.start("a")
	k.reached(seen+2*slotEvery, 0, 10)
	before := k.node("a").resident(t)
	n, began := *objects, time.Now()
	k.api.Each(n, func(i int) error {
		return k.api.Try(kubetest.Must(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: other-%05d, labels: {app: other, pod-template-hash: "%d"}}
spec: {containers: [{name: app, image: "example.org/app:1", ports: [{containerPort: 80}], env: [{name: A, value: "%0200d"}]}]}
`, k.space, i, i, i)))
	})
	t.Logf("%d objects were created in %s", n, time.Since(began).Round(time.Second))
	began = time.Now()
	k.bury(0, 1)
	k.until(seen+3*slotEvery, "the node has caught up", func() bool { return k.quiet(0, 1) })
	t.Logf("a death was known and two intervals had passed after %s", time.Since(began).Round(time.Second))
	k.wait(slotEvery)
	after := k.node("a").resident(t)
	t.Logf("%d KiB resident before, %d after: %d bytes each", before>>10, after>>10, (after-before)/n)
	if limit := before + n*30_000 + 100<<20; after > limit {
		t.Errorf("that is too much")
	}
	k.rhythm()
	k.marked(0)
}

// resident returns the bytes of memory that d has.
func (d *divvy) resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
