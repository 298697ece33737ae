package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/discovery/sdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An informer is one of the Kubernetes client that holds a fixed set of pods.
type informer struct {
	cache.SharedIndexInformer
	store cache.Indexer
	tell  cache.ResourceEventHandler
}

func (i *informer) GetStore() cache.Store     { return i.store }
func (i *informer) GetIndexer() cache.Indexer { return i.store }
func (i *informer) HasSynced() bool           { return true }

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.tell = h
	return nil, nil
}

// judge returns the targets of a pod as Prometheus' own discoverer has them.
func judge(t *testing.T, pod *corev1.Pod) []model.LabelSet {
	t.Helper()
	in := &informer{store: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})}
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "n"}, []string{"role", "event"})
	d := kubernetes.NewPod(nil, in, nil, nil, nil, nil, false, false, false, count)
	if err := in.store.Add(pod); err != nil {
		t.Fatal(err)
	}
	in.tell.OnAdd(pod, true)
	ctx, cancel := context.WithCancel(context.Background())
	groups, done := make(chan []*targetgroup.Group), make(chan struct{})
	go func() { d.Run(ctx, groups); close(done) }()
	g := (<-groups)[0]
	cancel()
	<-done
	var out []model.LabelSet
	for _, own := range g.Targets {
		out = append(out, g.Labels.Merge(own))
	}
	return out
}

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// randomPod returns a pod with anything that can be missing missing at times.
func randomPod(r *rand.Rand) *corev1.Pod {
	entries := func() map[string]string {
		out := map[string]string{}
		for range r.IntN(4) {
			out[pick(r, "app", "app.kubernetes.io/name", "ä-1", "a.b", "a_b2", "1st")] = pick(r, "", "x", "ü")
		}
		return out
	}
	var states []corev1.ContainerStatus
	containers := func(prefix string) []corev1.Container {
		var out []corev1.Container
		states = nil
		for i := range r.IntN(3) {
			c := corev1.Container{Name: fmt.Sprint(prefix, i), Image: pick(r, "", "img:1")}
			for p := range r.IntN(3) {
				c.Ports = append(c.Ports, corev1.ContainerPort{
					Name: pick(r, "", "http"), ContainerPort: int32(8000 + p), Protocol: pick(r, corev1.ProtocolTCP, corev1.ProtocolUDP, ""),
				})
			}
			if r.IntN(2) == 0 {
				states = append(states, corev1.ContainerStatus{Name: c.Name, ContainerID: "containerd://" + c.Name})
			}
			out = append(out, c)
		}
		return out
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pick(r, "shop", "default"), Name: fmt.Sprint("pod-", r.IntN(100)),
			UID: types.UID(fmt.Sprint(r.Uint64())), Labels: entries(), Annotations: entries(),
		},
		Spec: corev1.PodSpec{NodeName: pick(r, "", "node-1")},
		Status: corev1.PodStatus{
			Phase: pick(r, corev1.PodRunning, corev1.PodPending, ""), PodIP: pick(r, "10.0.0.1", "fd00::1", "10.0.0.2", ""),
			HostIP: pick(r, "", "192.0.2.1"),
		},
	}
	pod.Spec.Containers = containers("c")
	pod.Status.ContainerStatuses = states
	pod.Spec.InitContainers = containers("init")
	pod.Status.InitContainerStatuses = states
	for range r.IntN(3) {
		is := pick(r, true, false)
		pod.OwnerReferences = append(pod.OwnerReferences, metav1.OwnerReference{
			Kind: pick(r, "", "ReplicaSet", "Job"), Name: pick(r, "", "rs-1"), Controller: pick(r, nil, &is),
		})
	}
	for range r.IntN(3) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: pick(r, corev1.PodReady, corev1.PodScheduled), Status: pick(r, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown),
		})
	}
	return pod
}

func TestTargetsAreThoseOfPrometheusRolePod(t *testing.T) {
	for seed := range uint64(300) {
		pod := randomPod(rand.New(rand.NewPCG(seed, 1)))
		if diff := cmp.Diff(judge(t, pod), targets(pod)); diff != "" {
			t.Fatalf("seed %d: Prometheus (-) and divvy (+) differ:\n%s", seed, diff)
		}
	}
}

// podsOf returns a kubelet's answer: a pod of the namespace shop for each
// address host:port, named in their order.
func podsOf(addresses ...string) []byte {
	list := corev1.PodList{}
	for i, a := range addresses {
		host, port, _ := strings.Cut(a, ":")
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("pod-%03d", i)}}
		pod.Status.PodIP = host
		var number int32
		_, _ = fmt.Sscan(port, &number)
		pod.Spec.Containers = []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{ContainerPort: number}}}}
		list.Items = append(list.Items, pod)
	}
	slices.Reverse(list.Items) // a kubelet's are in no order
	text, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("BUG: marshal pods: %v", err))
	}
	return text
}

func TestKubeletKeepsTheContract(t *testing.T) {
	sdtest.TestProvider(t, func(t *testing.T) sdtest.Source {
		var body atomic.Value
		body.Store(podsOf())
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = w.Write(body.Load().([]byte))
		}))
		t.Cleanup(srv.Close)
		return sdtest.Source{
			Config: &Config{URL: srv.URL, Every: 20 * time.Millisecond, HTTP: config.DefaultHTTPClientConfig},
			Set:    func(_ *testing.T, addresses ...string) { body.Store(podsOf(addresses...)) },
		}
	})
}

// ask returns what a source finds at a server that answers like that.
func ask(t *testing.T, namespaces []string, status int, body []byte) (string, error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/pods" {
			t.Errorf("asked for %s", req.URL)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	defer srv.Client().CloseIdleConnections()
	groups, err := source{client: srv.Client(), pods: srv.URL + "/pods", namespaces: namespaces}.refresh(t.Context())
	if err != nil {
		return "", err
	}
	var out []string
	for _, target := range groups[0].Targets {
		out = append(out, string(target[model.AddressLabel]))
	}
	return strings.Join(out, " "), nil
}

func TestOnlyPodsOfTheNamespacesAreTargets(t *testing.T) {
	f := func(namespaces []string, want string) {
		t.Helper()
		got, err := ask(t, namespaces, http.StatusOK, podsOf("10.0.0.1:80", "10.0.0.2:80"))
		if err != nil || got != want {
			t.Errorf("namespaces %v: %q, %v; want %q", namespaces, got, err, want)
		}
	}
	f(nil, "10.0.0.1:80 10.0.0.2:80")
	f([]string{"shop"}, "10.0.0.1:80 10.0.0.2:80")
	f([]string{"other"}, "")
}

func TestRefusalsSayWhy(t *testing.T) {
	f := func(status int, body, want string) {
		t.Helper()
		if _, err := ask(t, nil, status, []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("status %d gives %v; want %q", status, err, want)
		}
	}
	f(http.StatusForbidden, "", "nodes/proxy")
	f(http.StatusUnauthorized, "", "401")
	f(http.StatusInternalServerError, "", "server answered 500")
	f(http.StatusOK, "{", "decode list of pods")
}

func FuzzDecode(f *testing.F) {
	f.Add(podsOf("10.0.0.1:80"))
	f.Add([]byte(`{"items":[{"status":{"podIP":"x"},"spec":{"containers":[{"ports":[{"containerPort":-1}]}]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := decode(body)
		if err != nil {
			return
		}
		for i := range list {
			for _, target := range targets(&list[i]) {
				if target[model.AddressLabel] == "" {
					t.Errorf("a target without an address: %v", target)
				}
			}
		}
	})
}
