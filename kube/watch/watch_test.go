package watch

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/internal/kubefake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a Set that is closed with the test.
func open(t *testing.T, s *kubefake.Server) *Set {
	t.Helper()
	set, err := Open(s.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestEqualKeysAreOneWatch(t *testing.T) {
	s := kubefake.Start(t)
	s.Set("namespaces", namespace("a"))
	set := open(t, s)
	one, two := set.Lease(Key{Resource: "namespaces"}), set.Lease(Key{Resource: "namespaces"})
	other := set.Lease(Key{Resource: "namespaces", Label: "x=y"})
	eventually(t, "seen", func() bool { return one.Seen() && two.Seen() && other.Seen() })
	if n := s.Asked("list", "namespaces"); n != 2 || len(set.Watches()) != 2 {
		t.Errorf("%d lists, %d watches", n, len(set.Watches()))
	}
	if len(one.GetStore().ListKeys()) != 1 || len(other.GetStore().ListKeys()) != 0 {
		t.Error("the selector does not count")
	}
	one.Close()
	one.Close() // once more does nothing
	if len(set.Watches()) != 2 {
		t.Error("a watch ended that somebody has a lease of")
	}
	two.Close()
	if w := set.Watches(); len(w) != 1 || w[0].Key.Label == "" {
		t.Errorf("left are %v", w)
	}
}

// Who gives a lease back hears nothing any more; others do.
func TestClosedLeaseIsToldNothing(t *testing.T) {
	s := kubefake.Start(t)
	set := open(t, s)
	told := make(chan string, 10)
	lease := func(name string) *Lease {
		l := set.Lease(Key{Resource: "namespaces"})
		if _, err := l.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { told <- name }}); err != nil {
			t.Fatal(err)
		}
		return l
	}
	gone, stays := lease("gone"), lease("stays")
	defer stays.Close()
	eventually(t, "seen", gone.Seen)
	gone.Close()
	s.Set("namespaces", namespace("a"))
	if name := <-told; name != "stays" || len(told) > 0 {
		t.Errorf("told: %s and %d more", name, len(told))
	}
}

func TestRefusalIsNamedUntilItEnds(t *testing.T) {
	s := kubefake.Start(t)
	s.Deny("pods", http.StatusForbidden)
	set := open(t, s)
	l := set.Lease(Key{Resource: "pods", Namespace: "shop"})
	eventually(t, "refused", l.Denied)
	eventually(t, "named", func() bool { return strings.HasPrefix(l.Err().Error(), "list pods in namespace shop: ") })
	if l.Seen() {
		t.Error("seen, but nothing was shown")
	}
	s.Deny("pods", 0)
	eventually(t, "seen", l.Seen)
	eventually(t, "fine", func() bool { return l.Err() == nil && !l.Denied() })
}

func TestCopiesStayWhileServerIsDown(t *testing.T) {
	s := kubefake.Start(t)
	s.Set("namespaces", namespace("a"))
	set := open(t, s)
	l := set.Lease(Key{Resource: "namespaces"})
	eventually(t, "seen", l.Seen)
	s.Down(true)
	eventually(t, "missed", func() bool { return l.Err() != nil })
	if l.Denied() || len(l.GetStore().ListKeys()) != 1 {
		t.Error("a server that is down has taken something away")
	}
}

// An object that cannot be read does not hide the others.
func TestObjectThatCannotBeReadIsOne(t *testing.T) {
	s := kubefake.Start(t)
	s.Set("podmonitors", &monitoringv1.PodMonitor{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "good"}})
	s.Set("podmonitors", &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": "shop", "name": "bad"}, "spec": map[string]any{"selector": "all of them"},
	}})
	set := open(t, s)
	l := set.Lease(Key{Resource: "podmonitors"})
	eventually(t, "seen", l.Seen)
	f := func(name string, readable bool) {
		t.Helper()
		obj, ok, err := l.GetStore().GetByKey("shop/" + name)
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		if c := obj.(*Custom); (c.Err == nil) != readable || (c.Object != nil) != readable {
			t.Errorf("%s: %v, %v", name, c.Object, c.Err)
		}
	}
	f("good", true)
	f("bad", false)
}

func TestTrimKeepsWhatTargetsAreMadeOf(t *testing.T) {
	p := fullPod()
	obj, err := trimPod(p.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	got := obj.(*corev1.Pod)
	if got.Name != p.Name || got.UID != p.UID || len(got.Labels) != len(p.Labels) || len(got.OwnerReferences) != 1 {
		t.Errorf("what names a pod is gone: %v", got.ObjectMeta)
	}
	if got.ManagedFields != nil || got.Annotations[lastApplied] != "" || got.Annotations["prometheus.io/scrape"] != "true" {
		t.Errorf("annotations %v", got.Annotations)
	}
	c := got.Spec.Containers[0]
	if c.Name != "app" || len(c.Ports) != 2 || c.Env != nil || got.Spec.Volumes != nil {
		t.Errorf("container %v", c)
	}
	if len(got.Status.Conditions) != 1 || got.Status.PodIP != p.Status.PodIP || got.Status.ContainerStatuses[0].ContainerID == "" {
		t.Errorf("status %v", got.Status)
	}
	node, err := trimNode(&corev1.Node{Status: corev1.NodeStatus{
		Images:     []corev1.ContainerImage{{Names: []string{"a"}}},
		Conditions: []corev1.NodeCondition{{Type: "Ready", Status: "True", LastHeartbeatTime: metav1.Now()}},
	}})
	if n := node.(*corev1.Node); err != nil || n.Status.Images != nil || !n.Status.Conditions[0].LastHeartbeatTime.IsZero() {
		t.Errorf("node %v, %v", node, err)
	}
	svc, err := trimService(&corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "1", Selector: map[string]string{"a": "b"}}})
	if s := svc.(*corev1.Service); err != nil || s.Spec.ClusterIP != "1" || s.Spec.Selector != nil {
		t.Errorf("service %v, %v", svc, err)
	}
	for _, trim := range []cache.TransformFunc{trimPod, trimNode, trimService, trimMeta} {
		tombstone := cache.DeletedFinalStateUnknown{Key: "a"}
		if got, err := trim(tombstone); got != any(tombstone) || err != nil {
			t.Errorf("a tombstone becomes %v, %v", got, err)
		}
	}
}
