package operator

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// A sink keeps the last list of jobs.
type sink struct {
	mu    sync.Mutex
	jobs  []*Job
	lists int
}

func (s *sink) take(jobs []*Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs, s.lists = jobs, s.lists+1
}

func (s *sink) list() []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs
}

// show writes the last list: a line for each job and each target.
func (s *sink) show() string {
	var b strings.Builder
	for _, j := range s.list() {
		b.WriteString(j.Name + "\n")
		for _, t := range j.Targets {
			b.WriteString("\t" + t.Labels.String() + "\n")
		}
	}
	return b.String()
}

// start runs an Engine until the test ends.
func start(t *testing.T, cfg Config) (*Engine, *sink) {
	t.Helper()
	got := &sink{}
	cfg.Publish = got.take
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { e.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return e, got
}

func TestPodMonitorOnRealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Kubernetes API server")
	}
	s := kubetest.Start(t)
	s.InstallMonitors()
	s.AddNamespace("shop", nil)
	s.SetPod(kubetest.Pod{Namespace: "shop", Name: "a", IP: "10.0.0.1", Labels: map[string]string{"app": "web"}, Ports: map[string]int32{"http": 8080, "metrics": 9090}})
	s.Apply(`
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  podMetricsEndpoints:
  - port: metrics
`)
	e, got := start(t, Config{Kind: PodMonitors, API: s.Config()})
	s.Until(10*time.Second, "synced", e.Synced)
	t.Log(got.show(), e.Objects(), e.Health())
	text, err := e.ScrapeConfig("shop", "web")
	t.Log(string(text), err)
}
