package components

import (
	"testing"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// Only a component that asks for it shares its targets; the others serve all
// of theirs on every node.
func TestOnlyClusteredScrapesShare(t *testing.T) {
	e, _, _ := env(t)
	start := time.Unix(1_000_000, 0)
	e.View = cell.New(owner.NewView(owner.Member{Name: e.Self, From: start}, owner.Member{Name: "other", From: start}))
	f := func(body string, shared bool) {
		t.Helper()
		var a scrapeArgs
		if err := evaluate(t, "targets = []\nforward_to = []\n"+body, &a, nil); err != nil {
			t.Fatal(err)
		}
		view, mine := a.config(e).View.Load(), 0
		for key := range owner.Key(1000) {
			if m, ok := view.Owner(key*0x9E3779B97F4A7C15, start); ok && m.Name == e.Self {
				mine++
			}
		}
		if shared != (mine < 1000) || mine == 0 {
			t.Errorf("%q: serves %d of 1000 targets", body, mine)
		}
	}
	f("", false)
	f("clustering {\nenabled = false\n}", false)
	f("clustering {\nenabled = true\n}", true)
}

// A node takes no part before it knows what there is to share. What is not
// shared keeps nobody waiting.
func TestScrapeIsPrimedByItsFirstTargets(t *testing.T) {
	f := func(clustering string, targets string, want bool) {
		t.Helper()
		e, _, _ := env(t)
		e.View = cell.New(owner.Alone(e.Self))
		decode := func(targets string) (a scrapeArgs) {
			t.Helper()
			if err := evaluate(t, "targets = "+targets+"\nforward_to = []\n"+clustering, &a, nil); err != nil {
				t.Fatal(err)
			}
			return a
		}
		instance, err := newScrape(e, decode(targets))
		if err != nil {
			t.Fatal(err)
		}
		c := instance.(*prometheusScrape)
		if got := c.Primed(); got != want {
			t.Errorf("%q with %s: primed is %t", clustering, targets, got)
		}
		for _, next := range []string{`[{"__address__" = "a:1"}]`, `[]`} {
			if err := c.Update(decode(next)); err != nil {
				t.Fatal(err)
			}
			if !c.Primed() {
				t.Errorf("%q: not primed with %s after having been", clustering, next)
			}
		}
	}
	const on = "clustering {\nenabled = true\n}"
	f("", `[]`, true)
	f("clustering {\nenabled = false\n}", `[]`, true)
	f(on, `[]`, false)
	f(on, `[{"__address__" = "a:1"}]`, true)
}
