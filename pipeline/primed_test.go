package pipeline

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A primer is a component that can do its share from some time on.
type primer struct {
	fake[text]
	primed *atomic.Bool
}

func (p *primer) Primed() bool { return p.primed.Load() }

// A node can do its share once every component is built and says so, wherever
// it stands.
func TestUnprimedNamesWhatIsWaitedFor(t *testing.T) {
	const config = `
		declare "inner" { test.primer "in" { value = "x" } }
		inner "a" { }
		test.late "targets" { value = "x" }
		test.source "reads" {
			every      = test.late.targets.value
			forward_to = []
		}
		`
	synctest.Test(t, func(t *testing.T) {
		rec := newRecorder()
		cfg := storyConfig(rec, nil)
		var primed atomic.Bool
		cfg.Kinds = append(cfg.Kinds, component.Of[text, component.None]("test.primer",
			func(env component.Env, args text) (component.Instance[text], error) {
				return &primer{fake[text]{rec: rec, env: env, args: args, check: accept[text]}, &primed}, nil
			}))
		f := func(p *Pipeline, want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, p.Unprimed()); diff != "" {
				t.Errorf("unprimed (-want +got):\n%s", diff)
			}
		}
		f(New(cfg))
		p, stop := open(t, cfg, config)
		f(p, "inner.a/test.primer.in", "test.source.reads")
		rec.late["test.late.targets"](text{Value: "1m"})
		f(p, "inner.a/test.primer.in")
		primed.Store(true)
		f(p)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
