package pipeline

import (
	"testing"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A correspondent tells the node that it is configured to, and notes what it is
// told.
type correspondent struct{ fake[text] }

func (c *correspondent) Told(from string, note []byte) {
	c.rec.note("%s was told by %s: %s", c.env.ID, from, note)
	c.env.Tell(c.args.Value, []byte("thanks"))
}

func TestNotesReachTheComponentOfTheSameID(t *testing.T) {
	rec := newRecorder()
	cfg := storyConfig(rec, nil)
	cfg.Kinds = append(cfg.Kinds, component.Of[text, component.None]("test.correspondent",
		func(env component.Env, args text) (component.Instance[text], error) {
			return &correspondent{fake[text]{rec: rec, env: env, args: args, check: accept[text]}}, nil
		}))
	f := func(config, id, want string) {
		t.Helper()
		p := New(cfg)
		p.Told(id, "early", nil)
		if err := p.Load(main(config)); err != nil {
			t.Fatal(err)
		}
		rec.take()
		p.Told(id, "peer", []byte("hello"))
		if got := rec.take(); got != want {
			t.Errorf("%q at %s gives\n%swant\n%s", config, id, got, want)
		}
	}
	const config = `declare "m" {
		test.correspondent "in" { value = "node" }
	}
	m "a" { }
	test.source "s" { forward_to = [] }`
	const told = "m.a/test.correspondent.in was told by peer: hello\n"
	f(config, "m.a/test.correspondent.in", told) // and its thanks go nowhere
	cfg.Tell = func(node, component string, note []byte) { rec.note("%s tells %s: %s", component, node, note) }
	f(config, "m.a/test.correspondent.in", told+"m.a/test.correspondent.in tells node: thanks\n")
	f(config, "test.source.s", "")
	f(config, "test.correspondent.in", "")
}
