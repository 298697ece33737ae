package operator

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/divvy-collector/divvy/internal/kubefake"
)

const (
	benchPods     = 5000
	benchMonitors = 50
)

// realPod returns a pod with as many fields as those of a Deployment have.
func realPod(i int) *corev1.Pod {
	p := pod(fmt.Sprintf("web-%d-7d9c5b8f6d-x%04d", i%benchMonitors, i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), map[string]string{
		"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": fmt.Sprint(i % benchMonitors), "app.kubernetes.io/version": "1.2.3",
		"app.kubernetes.io/component": "frontend", "app.kubernetes.io/managed-by": "helm", "pod-template-hash": "7d9c5b8f6d",
	})
	p.UID = "3f0a1a2e-7b1c-4b53-9a63-0f1d0c6f9f11"
	p.Annotations = map[string]string{"checksum/config": "0f1d0c6f9f110f1d0c6f9f110f1d0c6f9f110f1d0c6f9f110f1d0c6f9f11", "prometheus.io/scrape": "true"}
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-7d9c5b8f6d", Controller: &yes}}
	c := &p.Spec.Containers[0]
	c.Image = "registry.example/shop/web:1.2.3"
	for j := range 20 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", j), Value: "a value of some length"})
	}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "config", MountPath: "/etc/web"}, {Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
	p.Status.HostIP = "192.168.0.1"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Image: c.Image, ImageID: "sha256:0f1d0c6f9f11", ContainerID: "containerd://0f1d0c6f9f110f1d0c6f9f11"}}
	for _, kind := range []corev1.PodConditionType{"Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: "True"})
	}
	return p
}

// benchServer returns an API server with pods and monitors.
func benchServer(b *testing.B, spec func(i int) string) *kubefake.Server {
	b.Helper()
	s := kubefake.Start(b)
	for i := range benchPods {
		s.Set("pods", realPod(i))
	}
	for i := range benchMonitors {
		s.Set("podmonitors", podMonitor(b, fmt.Sprintf("m%02d", i), spec(i)))
	}
	return s
}

// benchSession returns an Engine's session with what a server has.
func benchSession(b *testing.B, s *kubefake.Server) *session {
	b.Helper()
	e, got := start(b, Config{Kind: PodMonitors, API: s.Config()})
	eventually(b, "synced", e.Synced)
	jobs, _ := got.last()
	if len(jobs) != benchMonitors || len(jobs[0].Targets) == 0 {
		b.Fatalf("%d jobs", len(jobs))
	}
	return e.session()
}

// some is the spec of a monitor that selects its share of the pods.
func some(i int) string {
	return fmt.Sprintf(`{selector: {matchLabels: {app.kubernetes.io/instance: "%d"}}, podMetricsEndpoints: [{port: web}]}`, i)
}

// BenchmarkAllTargets evaluates all targets of all monitors anew.
func BenchmarkAllTargets(b *testing.B) {
	run := func(name string, spec func(i int) string) {
		b.Run(name, func(b *testing.B) {
			s := benchSession(b, benchServer(b, spec))
			for b.Loop() {
				tasks := map[string]*task{}
				for name, t := range s.tasks {
					tasks[name] = newTask(t.object, t.scrape, t.sources)
				}
				merge(tasks)
			}
		})
	}
	run("each-selects-some", some)
	run("each-selects-all", func(int) string { return webPort })
}

// BenchmarkTranslate translates one monitor.
func BenchmarkTranslate(b *testing.B) {
	s := benchSession(b, benchServer(b, func(int) string { return webPort }))
	c := s.find(objectKey{"shop", "m00"})
	for b.Loop() {
		s.translate(c, &object{})
	}
}

// BenchmarkMemory reports the bytes that a pod takes: its copy, its groups and
// its target.
func BenchmarkMemory(b *testing.B) {
	server := benchServer(b, some)
	before := heap()
	s := benchSession(b, server)
	for b.Loop() {
	}
	b.ReportMetric(float64(heap()-before)/benchPods, "B/pod")
	runtime.KeepAlive(s)
}

// BenchmarkObjects reports the bytes and the time that a monitor takes, of 20,000.
func BenchmarkObjects(b *testing.B) {
	const n = 20000
	server := kubefake.Start(b)
	for i := range n {
		server.Set("podmonitors", podMonitor(b, fmt.Sprintf("m%05d", i), some(i)))
	}
	before, began := heap(), time.Now()
	e, got := start(b, Config{Kind: PodMonitors, API: server.Config(), Log: slog.New(slog.DiscardHandler)})
	_, news := got.last()
	<-news
	synced := time.Since(began)
	for b.Loop() {
	}
	b.ReportMetric(float64(heap()-before)/n, "B/object")
	b.ReportMetric(synced.Seconds(), "s-until-synced")
	runtime.KeepAlive(e)
}

// heap returns the bytes that live.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
