package components

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long something may take; a test that passes never waits
// it.
const patience = 20 * time.Second

// evaluate decodes the body of a block into v. It may refer to a receiver that
// drops everything as sink, and to the variables.
func evaluate(t *testing.T, body string, v any, vars map[string]any) error {
	t.Helper()
	file, err := parser.ParseFile(t.Name(), []byte(body))
	if err != nil {
		t.Fatalf("parse %q: %v", body, err)
	}
	scope := map[string]any{"sink": args.Receiver{Sink: telemetry.Fanout(nil)}}
	for name, value := range vars {
		scope[name] = value
	}
	return vm.New(file).Evaluate(vm.NewScope(scope), v)
}

// A rig is an instance with arguments of type A under test.
type rig[A any] struct {
	t        *testing.T
	instance component.Instance[A]
	registry *prometheus.Registry
	exports  chan any
	vars     map[string]any
}

// env returns what an instance is lent, and where its exports go.
func env(t *testing.T) (component.Env, *prometheus.Registry, chan any) {
	reg, exports := prometheus.NewRegistry(), make(chan any, 1024)
	return component.Env{
		ID:         "kind.test.default",
		Log:        slog.New(slog.DiscardHandler),
		Dir:        t.TempDir(),
		Registry:   reg,
		Gatherer:   reg,
		Export:     func(v any) { exports <- v },
		Self:       "node",
		MemoryAddr: "divvy.internal:12345",
		HTTPPath:   "/api/v0/component/kind.test.default/",
	}, reg, exports
}

// start builds an instance and runs it until the test ends; then it must stop.
func start[A any](t *testing.T, build func(component.Env, A) (component.Instance[A], error), body string, vars map[string]any) *rig[A] {
	t.Helper()
	e, reg, exports := env(t)
	r := &rig[A]{t: t, registry: reg, exports: exports, vars: vars}
	var err error
	if r.instance, err = build(e, r.decode(body)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.instance.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Run does not return when its context is cancelled")
		}
	})
	return r
}

func (r *rig[A]) decode(body string) A {
	r.t.Helper()
	var a A
	if err := evaluate(r.t, body, &a, r.vars); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// update changes the arguments.
func (r *rig[A]) update(body string) error {
	r.t.Helper()
	return r.instance.Update(r.decode(body))
}

// await reads exports until one is right.
func await[X, A any](r *rig[A], right func(X) bool) X {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case v := <-r.exports:
			if x := v.(X); right(x) {
				return x
			}
		case <-timeout:
			r.t.Fatal("what was expected is never exported")
		}
	}
}

// awaitHealth waits for a state of the instance; each look costs a millisecond.
func awaitHealth[A any](r *rig[A], state component.HealthState, message string) {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for range tick.C {
		h := r.instance.(component.Healther).Health()
		if h.State == state && strings.Contains(h.Message, message) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("health is %s %q; want %s %q", h.State, h.Message, state, message)
		}
	}
}

// gauge returns the value of a metric without labels, or -1.
func (r *rig[A]) gauge(name string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
