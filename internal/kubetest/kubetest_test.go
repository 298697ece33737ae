package kubetest_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the tests of others stand on: objects, accounts that may do what their
// roles say, and an outage.
func TestServerIsAnAPIServer(t *testing.T) {
	began := time.Now()
	s := kubetest.Start(t)
	t.Logf("ready after %s", time.Since(began))
	s.AddNamespace("shop", nil)
	s.InstallMonitors()
	t.Logf("with monitors after %s", time.Since(began))
	s.Apply(monitor)
	s.SetPod(kubetest.Pod{Namespace: "shop", Name: "a", IP: "10.0.0.1", Ports: map[string]int32{"http": 80}})
	s.SetPod(kubetest.Pod{Namespace: "shop", Name: "a", IP: "10.0.0.1", Unready: true, Labels: map[string]string{"app": "web"}})

	pods := s.Client().CoreV1().Pods("shop")
	got, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil || got.Status.PodIP != "10.0.0.1" || got.Labels["app"] != "web" {
		t.Errorf("the pod is %+v, %v", got, err)
	}
	s.Apply(account)
	c, err := kubernetes.NewForConfig(s.ConfigOf(s.Token("shop", "reader")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("what the role allows is refused: %v", err)
	}
	if _, err := c.CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("what no role allows gives %v", err)
	}

	s.Stop()
	if _, err := pods.Get(t.Context(), "a", metav1.GetOptions{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a stopped server gives %v", err)
	}
	began = time.Now()
	s.Restart()
	t.Logf("ready again after %s", time.Since(began))
	if _, err := pods.Get(t.Context(), "a", metav1.GetOptions{}); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	before := s.Asked("pods")
	for range 3 {
		if _, err := pods.List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
	}
	if n := s.Asked("pods") - before; n != 3 {
		t.Errorf("%d lists were counted; want 3", n)
	}
	s.DeleteNamespace("shop")
	if _, err := s.Client().CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a namespace that is gone gives %v", err)
	}
}

const monitor = `
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {namespace: shop, name: web}
spec:
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints: [{port: http}]
`

const account = `
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: shop, name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: shop, name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {namespace: shop, name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, namespace: shop, name: reader}]
`
