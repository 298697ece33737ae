package watch

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BenchmarkPodMemory reports the bytes that the copy of a pod takes, as it comes
// and trimmed.
func BenchmarkPodMemory(b *testing.B) {
	wire, err := fullPod().Marshal()
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, trim func(any) (any, error)) {
		b.Run(name, func(b *testing.B) {
			const n = 1000
			kept := make([]any, n)
			before := heap()
			for i := range kept {
				p := &corev1.Pod{}
				if err := p.Unmarshal(wire); err != nil {
					b.Fatal(err)
				}
				if kept[i], err = trim(p); err != nil {
					b.Fatal(err)
				}
			}
			bytes := float64(heap()-before) / n
			runtime.KeepAlive(kept)
			for b.Loop() {
			}
			b.ReportMetric(bytes, "B/pod")
		})
	}
	run("as-it-comes", func(o any) (any, error) { return o, nil })
	run("trimmed", trimPod)
}

// fullPod returns a pod with as many fields as those of a Deployment have.
func fullPod() *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web-7d9c5b8f6d-x2x4z", UID: "3f0a1a2e-7b1c-4b53-9a63-0f1d0c6f9f11",
			Labels:          map[string]string{"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "web", "pod-template-hash": "7d9c5b8f6d"},
			Annotations:     map[string]string{"prometheus.io/scrape": "true", lastApplied: string(make([]byte, 1000))},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-7d9c5b8f6d", Controller: &yes}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat(" ", 4096))}},
		},
		Spec: corev1.PodSpec{NodeName: "n1", Volumes: []corev1.Volume{{Name: "config"}, {Name: "token"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", HostIP: "192.168.0.1",
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", ContainerID: "containerd://0f1d0c6f9f11", Image: "registry.example/web:1"}},
		},
	}
	c := corev1.Container{Name: "app", Image: "registry.example/web:1", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}}}
	for i := range 20 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: "a value of some length"})
	}
	c.LivenessProbe = &corev1.Probe{PeriodSeconds: 10}
	p.Spec.Containers = []corev1.Container{c}
	for _, kind := range []corev1.PodConditionType{"Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: "True"})
	}
	return p
}

// heap returns the bytes that live.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
