package operator

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/relabel"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/divvy-collector/divvy/internal/kubefake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A sink keeps the lists of jobs.
type sink struct {
	mu    sync.Mutex
	lists [][]*Job
	news  chan struct{} // closed at every list
}

func (s *sink) take(jobs []*Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, jobs)
	close(s.news)
	s.news = make(chan struct{})
}

// last returns the last list and what tells of the next.
func (s *sink) last() ([]*Job, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lists) == 0 {
		return nil, s.news
	}
	return s.lists[len(s.lists)-1], s.news
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lists)
}

// show writes a list: a line for each target, of the labels that tests look at.
func show(jobs []*Job) string {
	var b strings.Builder
	for _, j := range jobs {
		b.WriteString(j.Name + "\n")
		for _, t := range j.Targets {
			fmt.Fprintf(&b, "\t%s job=%s instance=%s\n", t.Labels.Get("__address__"), t.Labels.Get("job"), t.Labels.Get("instance"))
		}
	}
	return b.String()
}

// until waits for a list that shows as want.
func (s *sink) until(t *testing.T, want string) []*Job {
	t.Helper()
	var got []*Job
	for deadline := time.After(15 * time.Second); ; {
		var news <-chan struct{}
		got, news = s.last()
		if show(got) == want {
			return got
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("jobs (-got +want):\n%s", cmp.Diff(show(got), want))
		}
	}
}

// start runs an Engine until the test ends.
func start(t testing.TB, cfg Config) (*Engine, *sink) {
	t.Helper()
	got := &sink{news: make(chan struct{})}
	cfg.Publish = got.take
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.pace = pace{settle: 20 * time.Millisecond, pause: 50 * time.Millisecond, look: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { e.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return e, got
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// pod returns a pod with two ports, web and metrics.
func pod(name, ip string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels, Annotations: map[string]string{"port": "9090"}},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{
			{Name: "web", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090},
		}}}},
		Status: corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning},
	}
}

// parse reads the spec of an object, named o or as it says.
func parse[T runtime.Object](t testing.TB, into T, name, spec string) T {
	t.Helper()
	text := "metadata: {namespace: shop, name: \"" + name + "\"}\nspec: " + spec
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
	return into
}

func podMonitor(t testing.TB, name, spec string) *monitoringv1.PodMonitor {
	t.Helper()
	return parse(t, &monitoringv1.PodMonitor{}, name, spec)
}

const webPort = `{selector: {}, podMetricsEndpoints: [{port: web}]}`

func TestPodsBecomeTargetsAndGo(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n")
	s.Set("pods", pod("b", "10.0.0.2", nil))
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n\t10.0.0.2:8080 job=shop/m instance=10.0.0.2:8080\n")
	s.Delete("pods", "shop", "a")
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.2:8080 job=shop/m instance=10.0.0.2:8080\n")
	s.Delete("podmonitors", "shop", "m")
	got.until(t, "")
}

// A changed monitor touches its own jobs only, and a changed pod those that see it.
func TestUnchangedJobsAreTheSamePointers(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", map[string]string{"app": "a"}))
	s.Set("pods", pod("b", "10.0.0.2", map[string]string{"app": "b"}))
	spec := `{selector: {matchLabels: {app: %s}}, podMetricsEndpoints: [{port: %s}]}`
	s.Set("podmonitors", podMonitor(t, "a", fmt.Sprintf(spec, "a", "web")))
	s.Set("podmonitors", podMonitor(t, "b", fmt.Sprintf(spec, "b", "web")))
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	one := got.until(t, "podMonitor/shop/a/0\n\t10.0.0.1:8080 job=shop/a instance=10.0.0.1:8080\npodMonitor/shop/b/0\n\t10.0.0.2:8080 job=shop/b instance=10.0.0.2:8080\n")
	s.Set("podmonitors", podMonitor(t, "b", fmt.Sprintf(spec, "b", "metrics")))
	two := got.until(t, "podMonitor/shop/a/0\n\t10.0.0.1:8080 job=shop/a instance=10.0.0.1:8080\npodMonitor/shop/b/0\n\t10.0.0.2:9090 job=shop/b instance=10.0.0.2:9090\n")
	if one[0] != two[0] || one[1] == two[1] {
		t.Errorf("a changed monitor: its job is new: %v, the other is new: %v", one[1] != two[1], one[0] != two[0])
	}
	s.Set("pods", pod("a", "10.0.0.9", map[string]string{"app": "a"}))
	three := got.until(t, "podMonitor/shop/a/0\n\t10.0.0.9:8080 job=shop/a instance=10.0.0.9:8080\npodMonitor/shop/b/0\n\t10.0.0.2:9090 job=shop/b instance=10.0.0.2:9090\n")
	if two[0] == three[0] || two[1] != three[1] {
		t.Error("a changed pod: the wrong job is new")
	}
	if two[0].Scrape != three[0].Scrape {
		t.Error("a changed pod gives a job another scrape configuration")
	}
}

// A pod whose ports relabel to one address is one target, over all jobs.
func TestEqualFinalTargetsAreOne(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	collapse := `{selector: {}, podMetricsEndpoints: [{relabelings: [{sourceLabels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_port], separator: ":", targetLabel: __address__}, {targetLabel: job, replacement: all}, {action: labeldrop, regex: container}]}]}`
	s.Set("podmonitors", podMonitor(t, "x", collapse))
	s.Set("podmonitors", podMonitor(t, "y", collapse))
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	got.until(t, "podMonitor/shop/x/0\n\t10.0.0.1:9090 job=all instance=10.0.0.1:9090\npodMonitor/shop/y/0\n")
	s.Delete("podmonitors", "shop", "x")
	got.until(t, "podMonitor/shop/y/0\n\t10.0.0.1:9090 job=all instance=10.0.0.1:9090\n")
}

func TestWrongObjectsHarmThemselvesAlone(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("podmonitors", podMonitor(t, "good", webPort))
	s.Set("podmonitors", podMonitor(t, "regex", `{selector: {}, podMetricsEndpoints: [{port: web, relabelings: [{regex: "(", targetLabel: x}]}]}`))
	s.Set("podmonitors", podMonitor(t, "secret", `{selector: {}, podMetricsEndpoints: [{port: web, authorization: {credentials: {name: gone, key: k}}}]}`))
	s.Set("podmonitors", podMonitor(t, "address", `{selector: {}, podMetricsEndpoints: [{port: web, relabelings: [{targetLabel: __address__, replacement: "http://x"}]}]}`))
	reg := prometheus.NewPedanticRegistry()
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config(), Registry: reg})
	got.until(t, "podMonitor/shop/address/0\npodMonitor/shop/good/0\n\t10.0.0.1:8080 job=shop/good instance=10.0.0.1:8080\n")
	f := func(name, want string) {
		t.Helper()
		for _, o := range e.Objects() {
			if o.Name != name {
				continue
			}
			if got := fmt.Sprint(o.Err); got != want {
				t.Errorf("%s: %s\nwant %s", name, got, want)
			}
			return
		}
		t.Errorf("no object %s", name)
	}
	f("good", "<nil>")
	f("regex", "endpoint[0]: relabelConfigs: [0]: invalid regex ( for relabel configuration: error parsing regexp: missing closing ): `^(?s:()$`")
	f("secret", `endpoint[0]: authorization: failed to get authorization token of type "": unable to get secret "gone": get secrets shop/gone: secrets "gone" not found`)
	f("address", `"http://x" is not a valid hostname`)
	if _, err := e.ScrapeConfig("shop", "regex"); err == nil {
		t.Error("a wrong object has a scrape configuration")
	}
	if text, err := e.ScrapeConfig("shop", "good"); err != nil || !strings.Contains(string(text), "job_name: podMonitor/shop/good/0") {
		t.Errorf("got %s, %v", text, err)
	}
	counted := func(state string, want float64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%g objects are %s", want, state), func() bool {
			return testutil.ToFloat64(e.metrics.objects.WithLabelValues(state)) == want
		})
	}
	counted(stateInvalid, 3)
	counted(stateValid, 1)
	const named = "divvy_operator_invalid_object_info"
	err := testutil.GatherAndCompare(reg, strings.NewReader("# HELP "+named+" Custom resources that are not in force, or have targets that cannot be scraped, and why; 100 at most.\n# TYPE "+named+" gauge\n"+
		named+`{name="address",namespace="shop",reason="\"http://x\" is not a valid hostname"} 1
`+named+"{name=\"regex\",namespace=\"shop\",reason=\"endpoint[0]: relabelConfigs: [0]: invalid regex ( for relabel configuration: error parsing regexp: missing closing ): `^(?s:()$`\"} 1\n"+
		named+`{name="secret",namespace="shop",reason="endpoint[0]: authorization: failed to get authorization token of type \"\": unable to get secret \"gone\": get secrets shop/gone: secrets \"gone\" not found"} 1
`), named)
	if err != nil {
		t.Error(err)
	}
	// It is put right.
	s.Set("secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "gone"}, Data: map[string][]byte{"k": []byte("hush")}})
	s.Set("podmonitors", podMonitor(t, "regex", webPort))
	eventually(t, "the regex is right", func() bool { return e.Objects()[2].Err == nil })
}

func TestSecretsAreSeenButNotShown(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "s"}, Data: map[string][]byte{"k": []byte("hush")}})
	s.Set("podmonitors", podMonitor(t, "m", `{selector: {}, podMetricsEndpoints: [{port: web, authorization: {credentials: {name: s, key: k}}}]}`))
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	jobs := got.until(t, "podMonitor/shop/m/0\n")
	if token := jobs[0].Scrape.HTTPClientConfig.Authorization.Credentials; token != "hush" {
		t.Errorf("token %q", token)
	}
	text, err := e.ScrapeConfig("shop", "m")
	if err != nil || strings.Contains(string(text), "hush") {
		t.Errorf("got %s, %v", text, err)
	}
	if n := s.Asked("list", "secrets") + s.Asked("watch", "secrets"); n > 0 {
		t.Error("secrets are listed")
	}
}

// The API server goes: the jobs stay. It comes back: what has changed is seen.
func TestLastStateGoesOnWhileServerIsDown(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n")
	lists := got.count()
	s.Down(true)
	eventually(t, "the server is missed", func() bool { return e.Health() != nil })
	s.Set("pods", pod("a", "10.0.0.7", nil))
	if !e.Synced() || got.count() != lists {
		t.Errorf("synced %v, %d lists were published", e.Synced(), got.count()-lists)
	}
	s.Down(false)
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.7:8080 job=shop/m instance=10.0.0.7:8080\n")
	eventually(t, "the server answers", func() bool { return e.Health() == nil })
}

func TestNothingIsPublishedBeforeAllWasSeen(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	s.Deny("pods", http.StatusInternalServerError)
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config(), SyncTimeout: time.Millisecond})
	eventually(t, "the refusal is seen", func() bool {
		err := e.Health()
		return err != nil && strings.Contains(err.Error(), "list pods in namespace shop: ")
	})
	if e.Synced() || got.count() > 0 {
		t.Error("published before pods were seen")
	}
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Deny("pods", 0)
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n")
	eventually(t, "synced", e.Synced)
	if n := got.count(); n != 1 {
		t.Errorf("%d lists; the first must be whole", n)
	}
}

// What an account may not see is not waited for, and named.
func TestDenialIsNamedAndDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Deny("nodes", http.StatusForbidden)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	s.Set("podmonitors", podMonitor(t, "n", `{selector: {}, attachMetadata: {node: true}, podMetricsEndpoints: [{port: web}]}`))
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\npodMonitor/shop/n/0\n")
	for _, err := range []error{e.Health(), e.Objects()[1].Err} {
		if err == nil || !strings.Contains(err.Error(), "list nodes: ") || !strings.Contains(err.Error(), "allow it in a role") {
			t.Errorf("got %v", err)
		}
	}
	if err := e.Objects()[0].Err; err != nil {
		t.Errorf("the other: %v", err)
	}
	s.Set("nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	s.Deny("nodes", 0)
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\npodMonitor/shop/n/0\n\t10.0.0.1:8080 job=shop/n instance=10.0.0.1:8080\n")
}

// A monitor that looks elsewhere keeps its targets until it has looked.
func TestTargetsStayUntilOthersWereSeen(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	one := got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n")
	s.Deny("pods", http.StatusInternalServerError)
	s.Set("podmonitors", podMonitor(t, "m", `{selector: {}, namespaceSelector: {matchNames: [shop, attic]}, podMetricsEndpoints: [{port: metrics}]}`))
	eventually(t, "the change is seen", func() bool { jobs, _ := got.last(); return jobs[0].Scrape != one[0].Scrape })
	s.Deny("pods", 0)
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:9090 job=shop/m instance=10.0.0.1:9090\n")
	for _, jobs := range got.lists {
		if len(jobs[0].Targets) != 1 {
			t.Errorf("a list had no targets:\n%s", show(jobs))
		}
	}
}

func TestClientThatCannotBeMadeIsNamed(t *testing.T) {
	t.Parallel()
	e, _ := start(t, Config{Kind: PodMonitors, API: &rest.Config{Host: "http://\x00"}})
	eventually(t, "it is named", func() bool {
		err := e.Health()
		return err != nil && strings.Contains(err.Error(), "set up Kubernetes client")
	})
}

func TestConfigIsChecked(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	f(Config{}, "unknown kind of custom resource \"\"\nAPI server is not set\npublish is not set")
	full := Config{Kind: Probes, API: &rest.Config{}, Publish: func([]*Job) {}}
	full.Role = "pod"
	f(full, `unknown Kubernetes role "pod": use endpoints or endpointslice`)
	full.Role, full.Scrape = "", Defaults{Interval: time.Second, Timeout: time.Minute}
	f(full, "default scrape timeout 1m0s is greater than the default scrape interval 1s")
}

func TestMissingDefinitionIsNamed(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Deny("podmonitors", http.StatusNotFound)
	e, _ := start(t, Config{Kind: PodMonitors, API: s.Config()})
	eventually(t, "it is named", func() bool {
		err := e.Health()
		return err != nil && strings.Contains(err.Error(), "list podmonitors: ")
	})
	if e.Synced() {
		t.Error("synced without the objects")
	}
}

// However many monitors there are, pods are watched once.
func TestOneWatchForAllMonitors(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	for i := range 50 {
		s.Set("podmonitors", podMonitor(t, fmt.Sprintf("m%02d", i), webPort))
	}
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	eventually(t, "all jobs", func() bool { jobs, _ := got.last(); return len(jobs) == 50 })
	if n := s.Asked("list", "pods"); n != 1 {
		t.Errorf("pods were listed %d times", n)
	}
}

func TestExpiredVersionIsListedAgain(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("podmonitors", podMonitor(t, "m", webPort))
	_, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	got.until(t, "podMonitor/shop/m/0\n")
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Expire()
	got.until(t, "podMonitor/shop/m/0\n\t10.0.0.1:8080 job=shop/m instance=10.0.0.1:8080\n")
}

// Objects that are not selected, and rules of the component.
func TestSelectorsAndRulesOfTheComponent(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	mine := podMonitor(t, "mine", webPort)
	mine.Labels = map[string]string{"team": "a"}
	other := podMonitor(t, "other", webPort)
	elsewhere := podMonitor(t, "elsewhere", webPort)
	elsewhere.Namespace, elsewhere.Labels = "attic", mine.Labels
	for _, m := range []*monitoringv1.PodMonitor{mine, other, elsewhere} {
		s.Set("podmonitors", m)
	}
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: mine.Labels})
	if err != nil {
		t.Fatal(err)
	}
	rule := relabel.DefaultRelabelConfig
	rule.TargetLabel, rule.Replacement = "job", "mine"
	cfg := Config{Kind: PodMonitors, API: s.Config(), Namespaces: []string{"shop", "cellar"}, Selector: selector, Rules: []*relabel.Config{&rule}}
	e, got := start(t, cfg)
	one := got.until(t, "podMonitor/shop/mine/0\n\t10.0.0.1:8080 job=mine instance=10.0.0.1:8080\n")

	// A change of the configuration that means the same leaves jobs as they are.
	cfg.Namespaces, cfg.Publish, cfg.Log = []string{"cellar", "shop"}, got.take, slog.New(slog.DiscardHandler)
	if err := e.Update(cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another list", func() bool { return got.count() == 2 })
	if two, _ := got.last(); one[0] != two[0] {
		t.Error("the same job is another after an update")
	}
	cfg.Selector = nil
	if err := e.Update(cfg); err != nil {
		t.Fatal(err)
	}
	got.until(t, "podMonitor/shop/mine/0\n\t10.0.0.1:8080 job=mine instance=10.0.0.1:8080\npodMonitor/shop/other/0\n")
}

func TestServiceMonitors(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	a := pod("a", "10.0.0.1", nil)
	s.Set("pods", a)
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}}
	s.Set("services", &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}})
	ref := &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "a"}
	//lint:ignore SA1019 clusters whose configuration says endpoints still have them
	s.Set("endpoints", &corev1.Endpoints{ObjectMeta: meta, Subsets: []corev1.EndpointSubset{{
		Addresses: []corev1.EndpointAddress{{IP: "10.0.0.1", TargetRef: ref}}, Ports: []corev1.EndpointPort{{Name: "web", Port: 8080}},
	}}})
	port, name, ready := int32(8080), "web", true
	slice := meta
	slice.Name, slice.Labels = "web-1", map[string]string{discoveryv1.LabelServiceName: "web"}
	s.Set("endpointslices", &discoveryv1.EndpointSlice{ObjectMeta: slice, AddressType: "IPv4", Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, TargetRef: ref, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}})
	s.Set("servicemonitors", parse(t, &monitoringv1.ServiceMonitor{}, "m", `{selector: {matchLabels: {app: web}}, endpoints: [{port: web}]}`))
	for _, role := range []string{"", "endpointslice"} {
		_, got := start(t, Config{Kind: ServiceMonitors, API: s.Config(), Role: role})
		got.until(t, "serviceMonitor/shop/m/0\n\t10.0.0.1:8080 job=web instance=10.0.0.1:8080\n")
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	path := networkingv1.PathTypePrefix
	s.Set("ingresses", &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "i"},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "shop.example", IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &path}}},
		}}}},
	})
	s.Set("probes", parse(t, &monitoringv1.Probe{}, "static", `{prober: {url: "p:9115"}, targets: {staticConfig: {static: [b, a]}}}`))
	s.Set("probes", parse(t, &monitoringv1.Probe{}, "ingress", `{prober: {url: "p:9115"}, targets: {ingress: {selector: {}}}}`))
	_, got := start(t, Config{Kind: Probes, API: s.Config()})
	got.until(t, "probe/shop/ingress\n\tp:9115 job=probe/shop/ingress instance=http://shop.example/\n"+
		"probe/shop/static\n\tp:9115 job=probe/shop/static instance=a\n\tp:9115 job=probe/shop/static instance=b\n")
}

func TestScrapeConfigs(t *testing.T) {
	t.Parallel()
	s := kubefake.Start(t)
	s.Set("pods", pod("a", "10.0.0.1", nil))
	s.Set("scrapeconfigs", parse(t, &monitoringv1alpha1.ScrapeConfig{}, "static", `{staticConfigs: [{targets: ["a:1", "b:2"], labels: {job: j}}, {targets: ["c:3"]}]}`))
	s.Set("scrapeconfigs", parse(t, &monitoringv1alpha1.ScrapeConfig{}, "pods", `{kubernetesSDConfigs: [{role: Pod, namespaces: {names: [shop, attic]}}]}`))
	s.Set("scrapeconfigs", parse(t, &monitoringv1alpha1.ScrapeConfig{}, "consul", `{consulSDConfigs: [{server: "c:8500"}]}`))
	e, got := start(t, Config{Kind: ScrapeConfigs, API: s.Config()})
	got.until(t, strings.Join([]string{
		"scrapeConfig/shop/pods/kubernetes/0",
		"\t10.0.0.1:8080 job=scrapeConfig/shop/pods/kubernetes/0 instance=10.0.0.1:8080",
		"\t10.0.0.1:9090 job=scrapeConfig/shop/pods/kubernetes/0 instance=10.0.0.1:9090",
		"scrapeConfig/shop/static/static/0",
		"\ta:1 job=j instance=a:1",
		"\tb:2 job=j instance=b:2",
		"scrapeConfig/shop/static/static/1",
		"\tc:3 job=scrapeConfig/shop/static/static/1 instance=c:3",
	}, "\n")+"\n")
	i := slices.IndexFunc(e.Objects(), func(o ObjectStatus) bool { return o.Name == "consul" })
	if err := e.Objects()[i].Err; err == nil || !strings.Contains(err.Error(), "discovery by consul is not supported") {
		t.Errorf("got %v", err)
	}
}
