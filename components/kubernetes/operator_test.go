package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/kubetest"
	"github.com/divvy-collector/divvy/kube/operator"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// The powers are found by their types: one whose method has another signature
// would be lost without a word.
var (
	_ component.Scraper    = plain{}
	_ component.Relabeller = plain{}
	_ component.Primer     = plain{}
	_ component.Addressee  = plain{}
	_ component.Healther   = plain{}
	_ component.Debugger   = plain{}
	_ component.Server     = plain{}
	_ component.Scraper    = (*follower)(nil)
)

// decode evaluates the body of a block. It may refer to a receiver as sink.
func decode(body string, sink telemetry.Sink, v any) error {
	file, err := parser.ParseFile("body", []byte(body))
	if err != nil {
		return err
	}
	return vm.New(file).Evaluate(vm.NewScope(map[string]any{"sink": args.Receiver{Sink: sink}}), v)
}

// lent is what an instance is lent. All connections lead to one server.
func lent(t *testing.T, to net.Addr) component.Env {
	return component.Env{
		ID: "prometheus.operator.podmonitors.default", Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		Self: "node", View: cell.New(owner.Alone("node")), HTTPPath: "/api/v0/component/x/",
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to.String())
		},
	}
}

// What receivers there are, and who shares the work, is no reason to read
// everything again.
func TestObjectsAreReadAgainIfTheArgumentsAskForOthers(t *testing.T) {
	read := func(body string) (a serviceArgs) {
		t.Helper()
		if err := decode("forward_to = [sink]\nclient {\napi_server = \"http://127.0.0.1:1\"\n}\n"+body, telemetry.Fanout(nil), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	f, err := newFollower(lent(t, nil), operator.ServiceMonitors, read(""))
	if err != nil {
		t.Fatal(err)
	}
	g := func(body string, want bool) {
		t.Helper()
		if got := f.reads(read(body)); got != want {
			t.Errorf("%q: read again is %t", body, got)
		}
	}
	g("", false)
	g("clustering {\nenabled = true\n}", false)
	g("scrape {\nhonor_metadata = true\n}", false)
	g("scrape {\ndefault_scrape_interval = \"30s\"\n}", true)
	g("rule {\naction = \"labeldrop\"\nregex = \"x\"\n}", true)
	g("namespaces = [\"a\"]", true)
	g("allow_arbitrary_file_access = true", true)
}

func TestValidateReportsWhatCannotBe(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		var a serviceArgs
		err := decode("forward_to = [sink]\n"+body, telemetry.Fanout(nil), &a)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", body, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v; want %s", body, err, want)
		}
	}
	f("", "")
	f(`kubernetes_role = "endpointslice"`, "")
	f(`kubernetes_role = "pod"`, `not "pod"`)
	f(`informer_sync_timeout = "0s"`, "informer_sync_timeout must be greater")
	f("scrape {\ndefault_scrape_interval = \"5s\"\n}", "default_scrape_timeout (10s) must not be greater")
	f("scrape {\ndefault_scrape_interval = \"0s\"\n}", "at least 1ms")
	f("scrape {\ndefault_scrape_timeout = \"0s\"\n}", "must be greater than 0")
	f("selector {\nmatch_labels = {a = \"b\"}\nmatch_expression {\nkey = \"x\"\noperator = \"Exists\"\n}\n}", "")
	f("selector {\nmatch_expression {\nkey = \"x\"\noperator = \"Is\"\n}\n}", `"Is" is not a valid`)
	f("selector {\nmatch_expression {\nkey = \"x\"\noperator = \"In\"\n}\n}", "selector: ")
	f("client {\napi_server = \"x\"\n}", "must begin with http://")
	f("allow_arbitrary_file_access = true", "")
	f("clustering { }", "enabled")
}

// A node that starts while the API server is away takes no part, says why, and
// has no targets.
func TestSilentServerIsWaitedFor(t *testing.T) {
	var a operatorArgs
	body := "forward_to = [sink]\ninformer_sync_timeout = \"20ms\"\nclient {\napi_server = \"http://127.0.0.1:1\"\n}\nclustering {\nenabled = true\n}"
	if err := decode(body, telemetry.Fanout(nil), &a); err != nil {
		t.Fatal(err)
	}
	built, err := following(operator.Probes)(lent(t, nil), a)
	if err != nil {
		t.Fatal(err)
	}
	f := built.(plain)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(20 * time.Second)
	for h := f.Health(); h.State != component.Unhealthy || !strings.Contains(h.Message, "watch probes: dial tcp"); h = f.Health() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("health is %s %q", h.State, h.Message)
		}
	}
	if f.Primed() || len(f.Targets()) > 0 || len(f.DebugInfo().(operatorDebug).Objects) > 0 {
		t.Error("takes part with what it cannot know")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

const monitors = `
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: web, namespace: shop, labels: {team: a}}
spec:
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints:
  - port: http
    basicAuth: {username: {name: login, key: user}, password: {name: login, key: password}}
    relabelings:
    - {sourceLabels: [__address__], regex: '(.+):\d+', replacement: '$1:9090', targetLabel: __address__}
    - {sourceLabels: [__meta_kubernetes_pod_name], targetLabel: instance}
    metricRelabelings:
    - {sourceLabels: [__name__], regex: 'y', action: drop}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: wrong, namespace: shop, labels: {team: a}}
spec:
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints:
  - port: http
    relabelings:
    - {sourceLabels: [__address__], regex: '(', targetLabel: x}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: others, namespace: shop, labels: {team: b}}
spec:
  selector: {}
  podMetricsEndpoints: [{port: http}]
`

// From an object in a real API server to a series: and what is wrong is told.
func TestObjectsAreScrapedAndTold(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Kubernetes API server")
	}
	pods := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.Host != "10.0.0.1:9090" || user != "me" || password != "hunter2" {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte("x 1\ny 2\n"))
	}))
	defer pods.Close()
	s := kubetest.Start(t)
	s.InstallMonitors()
	s.AddNamespace("shop", nil)
	s.SetSecret("shop", "login", map[string]string{"user": "me", "password": "hunter2"})
	s.SetPod(kubetest.Pod{
		Namespace: "shop", Name: "web-0", IP: "10.0.0.1", Labels: map[string]string{"app": "web"},
		Ports: map[string]int32{"http": 8080, "http-admin": 8081},
	})
	s.Apply(monitors)
	sink := sinktest.NewRecorder()
	body := fmt.Sprintf(`
		forward_to = [sink]
		client { kubeconfig_file = %q }
		selector { match_labels = {team = "a"} }
		clustering { enabled = true }
		scrape {
			default_scrape_interval = "500ms"
			default_scrape_timeout  = "400ms"
		}
		rule {
			target_label = "zone"
			replacement  = "z"
		}`, s.Kubeconfig(""))
	var a operatorArgs
	if err := decode(body, sink, &a); err != nil {
		t.Fatal(err)
	}
	built, err := following(operator.PodMonitors)(lent(t, pods.Listener.Addr()), a)
	if err != nil {
		t.Fatal(err)
	}
	f := built.(plain)
	if f.Primed() {
		t.Error("primed before it has seen anything")
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	series := `{__name__="x", container="app", endpoint="http", instance="web-0", job="shop/web", namespace="shop", pod="web-0", zone="z"}`
	s.Until(20*time.Second, "scraped", func() bool {
		for _, p := range sink.Points() {
			if p.Series == series {
				return true
			}
		}
		return false
	})
	for _, p := range sink.Points() {
		if strings.Contains(p.Series, `__name__="y"`) {
			t.Errorf("the rules for series do not drop %s", p.Series)
		}
	}
	expectTold(t, f)
	next := a
	next.ForwardTo, next.Clustering, next.Scrape.HonorMetadata = nil, nil, true
	if err := f.Update(next); err != nil || !f.engine.Synced() || f.shares() {
		t.Errorf("other receivers: %v, synced %t, shared %t", err, f.engine.Synced(), f.shares())
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// expectTold requires that an instance tells what there is to know of the
// monitors.
func expectTold(t *testing.T, f plain) {
	t.Helper()
	h := f.Health()
	if !f.Primed() || h.State != component.Healthy || !strings.Contains(h.Message, "2 podmonitors, 1 of them wrong: shop/wrong") {
		t.Errorf("primed %t, health %v", f.Primed(), h)
	}
	d := f.DebugInfo().(operatorDebug)
	if len(d.Objects) != 2 || d.Objects[0].Name != "wrong" || !strings.Contains(d.Objects[0].Err, "relabelConfigs: [0]: invalid regex") ||
		d.Objects[1].Name != "web" || d.Objects[1].Err != "" || len(d.Targets) != 1 {
		t.Errorf("told: %+v", d)
	}
	list := f.Targets()
	if len(list) != 1 || list[0].URL != "http://10.0.0.1:9090/metrics" || !list[0].Clustered || f.Census().Count != 1 {
		t.Fatalf("targets: %+v", list)
	}
	came, _ := f.Discovered(list[0].Key)
	ways := f.Explain(func(_, after telemetry.Labels) bool { return after.String() == status.HideLabels(came).String() })
	if len(ways) != 1 || ways[0].Before.Get("__meta_kubernetes_pod_container_port_name") != "http" {
		t.Errorf("ways to %s: %+v", came, ways)
	}
	dropped := f.Explain(func(_, after telemetry.Labels) bool { return after.IsEmpty() })
	if len(dropped) != 1 || dropped[0].Before.Get("__meta_kubernetes_pod_container_port_name") != "http-admin" || dropped[0].Steps[len(dropped[0].Steps)-1].Kept {
		t.Errorf("dropped: %+v", dropped)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("/scrapeConfig/shop/web"); code != http.StatusOK || !strings.Contains(text, "job_name: podMonitor/shop/web/0") || strings.Contains(text, "hunter2") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := get("/scrapeConfig/shop/wrong"); code != http.StatusNotFound || !strings.Contains(text, "invalid regex") {
		t.Errorf("%d %s", code, text)
	}
}
