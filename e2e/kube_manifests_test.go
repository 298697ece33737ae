package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// flags returns what the StatefulSet of the manifests gives a node whose peers
// are at addrs, without what says where the node is and what it runs.
func flags(t *testing.T, self string, addrs []string) (out []string) {
	t.Helper()
	all, err := kubetest.Parse([]byte(manifests(t, "statefulset.yaml")))
	check(t, err)
	for _, o := range all {
		var set apps.StatefulSet
		if o.GetKind() != "StatefulSet" {
			continue
		}
		check(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &set))
		for _, arg := range set.Spec.Template.Spec.Containers[0].Args {
			name, _, _ := strings.Cut(arg, "=")
			switch name {
			case "run", "--server.http.listen-addr", "--storage.path", "/etc/divvy/config.alloy":
			case "--cluster.join-addresses":
				out = append(out, name+"="+strings.Join(addrs, ","))
			default:
				out = append(out, strings.ReplaceAll(arg, "$(POD_IP)", self))
			}
		}
	}
	return out
}

// inPod wraps a command such that it finds an account where pods do, and nobody
// else sees it there.
func inPod(mount string) []string {
	script := `mount -t tmpfs none /run && to=/run/secrets/kubernetes.io/serviceaccount && mkdir -p $to && cp "$0"/* $to && exec "$@"`
	return []string{"unshare", "--mount", "sh", "-c", script, mount}
}

// needPods skips the test where a directory cannot be mounted for one process.
func needPods(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run").CombinedOutput(); err != nil {
		t.Skipf("needs root and util-linux: %v: %s", err, out)
	}
}

// serviceOf makes a Service of pods. The API server takes no loopback addresses
// for it, so that rules have to lead to those of the pods.
func (k *kube) serviceOf(pods ...int) {
	k.t.Helper()
	var all []kubetest.Pod
	for _, n := range pods {
		p := k.pod(n)
		p.IP = fmt.Sprintf("10.0.0.%d", n)
		all = append(all, p)
	}
	k.api.SetService(k.space, "web", map[string]string{"tier": "front"}, all...)
}

// Three nodes with the account, the flags and the configuration of the manifests,
// as pods have them, scrape what three kinds of objects ask for.
func TestKubernetesManifestsAreEnough(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs processes for seconds")
	}
	needPods(t)
	api := kubetest.Start(t)
	installed(t, api)
	k := newKube(t, api, 8, 3)
	config, err := os.ReadFile("../deploy/kubernetes/config.alloy")
	check(t, err)
	at, err := url.Parse(api.URL())
	check(t, err)
	for i, name := range []string{"a", "b", "c"} {
		d := k.node(name)
		d.configure(string(config))
		d.args = append(flags(t, k.addrs[i], k.addrs), "--cluster.node-name="+name)
		d.wrap = inPod(api.Mount("divvy", "divvy"))
		d.env = []string{"KUBERNETES_SERVICE_HOST=" + at.Hostname(), "KUBERNETES_SERVICE_PORT=" + at.Port(), "REMOTE_WRITE_URL=" + k.write[name]}
	}
	k.bearAs(0, 4, func(p *kubetest.Pod) { p.Labels["app"] = "api" })
	k.bear(4, 8)
	k.monitor("pods", "api", toOnePort)
	k.serviceOf(4, 5, 6)
	k.api.Apply(fmt.Sprintf(`
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {namespace: %[1]s, name: web}
spec:
  selector: {matchLabels: {tier: front}}
  endpoints:
  - port: http
    interval: 5s
    scrapeTimeout: 4s
    relabelings:
    - sourceLabels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_example_org_port]
      separator: ":"
      targetLabel: __address__
---
apiVersion: monitoring.coreos.com/v1
kind: Probe
metadata: {namespace: %[1]s, name: outside}
spec:
  interval: 5s
  scrapeTimeout: 4s
  prober: {url: "%[2]s", path: /metrics}
  targets: {staticConfig: {static: [shop.example.org]}}
`, k.space, k.instance(7)))
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, 8)
	k.wait(2 * slotEvery)
	k.rhythm()
	k.marked(0)
	k.arrivedAll()
	for _, name := range []string{"a", "b", "c"} {
		if ill := k.node(name).ill(); ill != "" {
			t.Errorf("%s: %s", name, ill)
		}
	}
}
