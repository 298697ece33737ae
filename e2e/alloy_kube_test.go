package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// Of the same objects and with the same configuration Grafana Alloy and divvy
// make the same series. Alloy scrapes a target once for each of the ports that
// rules have led to it; that makes no other series.
func TestAlloyMakesTheSameOfCustomResources(t *testing.T) {
	if *alloy == "" {
		t.Skip("needs Grafana Alloy's program: -alloy")
	}
	t.Parallel()
	api := kubetest.Start(t)
	token := installed(t, api)
	k := newKube(t, api, 4, 2)
	k.bearAs(0, 3, func(p *kubetest.Pod) {
		p.Labels["version"], p.Labels["app.kubernetes.io/name"] = "v1", "shop"
	})
	far := k.pod(3)
	far.Name, far.IP = "far", "192.0.2.1" // the API server takes no endpoint on loopback
	k.api.SetPod(far)
	k.api.SetService(k.space, "front", map[string]string{"tier": "front", "role": "web"}, far)
	k.api.SetSecret(k.space, "login", map[string]string{"user": "me", "password": "hush"})
	k.api.Apply(fmt.Sprintf(everyField, k.space, k.ips[0], k.port))
	kubeconfig := k.api.Kubeconfig(token)
	for name, program := range map[string]string{"a": *alloy, "b": ""} {
		d := k.node(name)
		d.program, d.args = program, []string{"--stability.level=experimental"}
		d.env = append(d.env, "KUBECONFIG="+kubeconfig)
		d.configure(fmt.Sprintf("%s\nprometheus.remote_write \"sink\" {\n  endpoint {\n    url = %q\n  }\n}\n", fourKinds(k.space), k.write[name]))
		d.start()
	}
	k.wait(seen + 4*slotEvery)

	want, got := k.through["a"].Series(), k.through["b"].Series()
	t.Logf("%d series", len(want))
	if len(want) < 50 {
		t.Error("that is too few")
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[name]; !ok {
			t.Errorf("divvy has not %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("only divvy has %s", name)
		}
	}
}

// While a node of Alloy takes part, targets of custom resources go by its keys,
// so that all agree on who has which.
func TestAlloySharesCustomResources(t *testing.T) {
	if *alloy == "" {
		t.Skip("needs Grafana Alloy's program: -alloy")
	}
	t.Parallel()
	const pods = 60
	api := kubetest.Start(t)
	installed(t, api)
	k := newKube(t, api, pods, 3)
	k.configured(monitored(k.space), "a", "b", "c")
	k.monitor("web", "web", "    port: http\n")
	k.bear(0, pods)
	k.node("a").program = *alloy
	k.node("a").start()
	k.start("a", "b", "c")
	k.wait(seen + 2*slotEvery)
	from := time.Now()
	k.wait(3 * slotEvery)
	for n := range pods {
		if got := len(within(k.fleet.Scrapes(n), from, from.Add(3*slotEvery-slotEarly))); got < 2 || got > 3 {
			t.Errorf("pod %d: %d scrapes in three intervals", n, got)
		}
	}
	for name, r := range k.through {
		up := 0
		for series := range r.Series() {
			if strings.Contains(series, `__name__="up"`) {
				up++
			}
		}
		t.Logf("%s has sent series of %d pods", name, up)
		if up < pods/3/2 {
			t.Errorf("%s has too few of %d pods", name, pods)
		}
	}
}

// fourKinds configures a component of each kind for a namespace.
func fourKinds(space string) string {
	var b strings.Builder
	for _, kind := range []string{"podmonitors", "servicemonitors", "probes", "scrapeconfigs"} {
		fmt.Fprintf(&b, `
prometheus.operator.%s "all" {
  forward_to = [prometheus.remote_write.sink.receiver]
  namespaces = [%q]
  client {
    kubeconfig_file = sys.env("KUBECONFIG")
  }
  rule {
    target_label = "cluster"
    replacement  = "blue"
  }
}
`, kind, space)
	}
	return b.String()
}

// everyField are objects of each kind, for a namespace, and the address and
// port of a pod.
const everyField = `
apiVersion: v1
kind: Endpoints
metadata: {namespace: %[1]s, name: front, labels: {tier: front, role: web}}
subsets:
- addresses: [{ip: 192.0.2.1, targetRef: {kind: Pod, namespace: %[1]s, name: far}}]
  ports: [{name: http, port: 80}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {namespace: %[1]s, name: pods, labels: {team: shop}}
spec:
  jobLabel: app.kubernetes.io/name
  podTargetLabels: [version, absent]
  selector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}
  attachMetadata: {node: true}
  sampleLimit: 1000
  podMetricsEndpoints:
  - port: http
    interval: 5s
    scrapeTimeout: 4s
    honorLabels: true
    relabelings:
    - {sourceLabels: [__meta_kubernetes_pod_name], regex: "p(.*)", targetLabel: number, action: replace}
    - {regex: "container|endpoint", action: labeldrop}
    metricRelabelings:
    - {sourceLabels: [__name__], regex: "(.*)_total", targetLabel: stem, replacement: "$1"}
  - portNumber: 1
    interval: 5s
    scrapeTimeout: 4s
    path: /nothing
    params: {module: [a, b]}
    relabelings:
    - {targetLabel: __address__, replacement: "127.0.0.1:1"}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {namespace: %[1]s, name: services}
spec:
  jobLabel: role
  targetLabels: [tier]
  podTargetLabels: [version]
  selector: {matchLabels: {tier: front}}
  namespaceSelector: {matchNames: [%[1]s]}
  endpoints:
  - port: http
    interval: 5s
    scrapeTimeout: 4s
    filterRunning: true
    basicAuth:
      username: {name: login, key: user}
      password: {name: login, key: password}
---
apiVersion: monitoring.coreos.com/v1
kind: Probe
metadata: {namespace: %[1]s, name: sites}
spec:
  jobName: sites
  interval: 5s
  scrapeTimeout: 4s
  module: http_2xx
  prober: {url: "%[2]s:%[3]d", path: /metrics}
  targets:
    staticConfig:
      static: [shop.example.org, cart.example.org]
      labels: {kind: site}
      relabelingConfigs:
      - {sourceLabels: [__param_target], regex: "([a-z]+)\\..*", targetLabel: site}
---
apiVersion: monitoring.coreos.com/v1alpha1
kind: ScrapeConfig
metadata: {namespace: %[1]s, name: fixed}
spec:
  scrapeInterval: 5s
  scrapeTimeout: 4s
  metricsPath: /metrics
  staticConfigs:
  - targets: ["%[2]s:%[3]d"]
    labels: {zone: z1}
  metricRelabelings:
  - {regex: "quantile", action: labeldrop}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {namespace: %[1]s, name: plain}
spec:
  namespaceSelector: {any: true}
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints:
  - {interval: 5s, scrapeTimeout: 4s, scheme: http, followRedirects: false, enableHttp2: false, honorTimestamps: false}
  - {targetPort: 2, interval: 5s, scrapeTimeout: 4s, path: /two}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {namespace: %[1]s, name: plain}
spec:
  selector: {matchExpressions: [{key: tier, operator: Exists}, {key: absent, operator: DoesNotExist}]}
  labelLimit: 40
  endpoints:
  - {targetPort: http, interval: 5s, scrapeTimeout: 4s, path: /x, params: {a: [b]}}
  - {targetPort: 80, interval: 5s, scrapeTimeout: 4s, path: /y}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: %[1]s, name: shop, labels: {team: shop}}
spec:
  tls: [{hosts: [shop.example.org]}]
  rules:
  - host: shop.example.org
    http: {paths: [{path: /cart, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}]}
---
apiVersion: monitoring.coreos.com/v1
kind: Probe
metadata: {namespace: %[1]s, name: ingresses}
spec:
  interval: 5s
  scrapeTimeout: 4s
  prober: {url: "%[2]s:%[3]d", path: /metrics, scheme: http}
  targets:
    ingress:
      selector: {matchLabels: {team: shop}}
      namespaceSelector: {any: true}
      relabelingConfigs:
      - {sourceLabels: [__meta_kubernetes_ingress_host], targetLabel: host}
`
