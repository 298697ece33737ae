package components

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// watching returns an Env that somebody may watch.
func watching(t *testing.T) component.Env {
	e, _, _ := env(t)
	e.Live, e.Flow = new(live.Feed), new(live.Flow)
	return e
}

// check compares what a watcher has seen since the last look.
func check(t *testing.T, w *live.Watcher, want ...string) {
	t.Helper()
	got, _ := w.Take()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Who begins to watch is told the latest list, and then each new one, without
// passwords.
func TestTargetsAreShown(t *testing.T) {
	e := watching(t)
	show := showTargets(e)
	early := e.Live.Watch(1)
	show([]telemetry.Target{labels.FromStrings("__address__", "a:1")})
	late := e.Live.Watch(1)
	for _, w := range []*live.Watcher{early, late} {
		check(t, w, "targets: 1 found", `target: {__address__="a:1"}`)
	}
	show([]telemetry.Target{labels.FromStrings("__address__", "me:hush@b:1"), labels.FromStrings("__address__", "c:1")})
	check(t, early, "targets: 2 found", `target: {__address__="me:(redacted)@b:1"}`, `target: {__address__="c:1"}`)
	if e.Flow.Count() != 3 {
		t.Errorf("counted %d targets", e.Flow.Count())
	}
}

// The way of each target through the rules is shown at once and when it changes.
func TestRelabelledTargetsAreShown(t *testing.T) {
	const rules = `
		rule {
			source_labels = ["__address__"]
			regex         = "b.*"
			action        = "drop"
		}
		rule {
			target_label = "x"
			replacement  = "1"
		}`
	var a targetRules
	if err := evaluate(t, `targets = [{"__address__" = "a"}, {"__address__" = "b"}]`+rules, &a, nil); err != nil {
		t.Fatal(err)
	}
	e := watching(t)
	r, err := newDiscoveryRelabel(e, a)
	if err != nil {
		t.Fatal(err)
	}
	w := e.Live.Watch(1)
	check(t, w, `{__address__="a"} => {__address__="a", x="1"}`, `{__address__="b"} => dropped`)
	a.Targets = a.Targets[:1]
	if err := r.Update(a); err != nil {
		t.Fatal(err)
	}
	check(t, w, `{__address__="a"} => {__address__="a", x="1"}`)
	if e.Flow.Count() != 2 {
		t.Errorf("counted %d targets", e.Flow.Count())
	}
}
