// Package sdtest is the contract of a discovery provider as a test. Each kind
// of discovery that a test can drive passes it: what is there is published,
// what goes away is withdrawn, and nothing is left behind.
package sdtest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sd "github.com/prometheus/prometheus/discovery"

	"github.com/divvy-collector/divvy/discovery"
	"github.com/divvy-collector/divvy/telemetry"
)

// A Source is something that a provider watches and a test can change.
type Source struct {
	Config sd.Config
	Set    func(t *testing.T, addresses ...string) // replaces the targets by these
}

// patience bounds how long a list may take; a test that passes never waits it.
const patience = 20 * time.Second

// TestProvider runs the contract against what open returns. Each subtest
// opens a source of its own, without targets.
func TestProvider(t *testing.T, open func(t *testing.T) Source) {
	t.Run("PublishesWhatIsThere", func(t *testing.T) {
		s := open(t)
		s.Set(t, "b:1", "a:1")
		r := start(t, s)
		r.await("b:1", "a:1")
	})
	t.Run("FollowsChanges", func(t *testing.T) {
		s := open(t)
		s.Set(t, "a:1")
		r := start(t, s)
		r.await("a:1")
		s.Set(t, "a:1", "c:3")
		r.await("a:1", "c:3")
	})
	t.Run("WithdrawsWhatIsGone", func(t *testing.T) {
		s := open(t)
		s.Set(t, "a:1", "b:1")
		r := start(t, s)
		r.await("a:1", "b:1")
		s.Set(t)
		r.await()
	})
	t.Run("SaysWhenNothingIsThere", func(t *testing.T) {
		s := open(t)
		s.Set(t)
		start(t, s).await()
	})
	t.Run("FollowsAnUpdate", func(t *testing.T) {
		s := open(t)
		s.Set(t, "a:1")
		r := start(t, s)
		r.await("a:1")
		if err := r.provider.Update(s.Config); err != nil {
			t.Fatal(err)
		}
		s.Set(t, "a:1", "b:1")
		r.await("a:1", "b:1")
	})
	t.Run("EmptiesItsRegistry", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		for range 2 { // a name registered twice is an error
			inner := prometheus.NewRegistry()
			if _, err := discovery.New(config(open(t), inner, nil)); err != nil {
				t.Fatal(err)
			}
			if err := reg.Register(inner); err != nil {
				t.Fatal(err)
			}
			if !reg.Unregister(inner) {
				t.Error("the metrics of a provider cannot be unregistered")
			}
		}
	})
}

// A running is a provider under test.
type running struct {
	t        *testing.T
	provider *discovery.Provider
	lists    chan []telemetry.Target
	seen     [][]telemetry.Target
}

// start runs a provider for s until the test ends; then Run must return.
func start(t *testing.T, s Source) *running {
	t.Helper()
	r := &running{t: t, lists: make(chan []telemetry.Target, 1024)}
	p, err := discovery.New(config(s, prometheus.NewRegistry(), func(list []telemetry.Target) { r.lists <- list }))
	if err != nil {
		t.Fatal(err)
	}
	r.provider = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run does not return when its context is cancelled")
		}
	})
	return r
}

func config(s Source, reg prometheus.Registerer, publish func([]telemetry.Target)) discovery.Config {
	return discovery.Config{
		Source:   s.Config,
		Name:     "discovery.test.default",
		Log:      slog.New(slog.DiscardHandler),
		Registry: reg,
		Publish:  publish,
		Every:    10 * time.Millisecond,
	}
}

// await reads lists until one has exactly these addresses, in this order.
func (r *running) await(want ...string) {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case list := <-r.lists:
			r.seen = append(r.seen, list)
			got := []string(nil)
			for _, l := range list {
				got = append(got, l.Get("__address__"))
			}
			if cmp.Equal(got, want) {
				return
			}
		case <-timeout:
			r.t.Fatalf("no list with addresses %v; seen %v", want, r.seen)
		}
	}
}
