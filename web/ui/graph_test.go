package ui

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// state returns a component of the root that passes data on.
func state(id string, to ...string) pipeline.ComponentState {
	return pipeline.ComponentState{
		ID: id, LocalID: id, Name: "kind", Label: id, ReferencesTo: to, DataFlowTo: to,
		Data: live.Metrics, Health: component.Health{State: component.Healthy},
	}
}

func TestTheGraphOfAModuleIsItsComponents(t *testing.T) {
	inner := state("in")
	inner.ID, inner.ModuleID = "box/in", "box"
	box := state("box", "z")
	box.ModuleIDs = []string{"box"}
	all := []pipeline.ComponentState{state("z"), state("a", "box", "gone"), box, inner}
	root := drawGraph("", all, map[string]float64{"a": 1500, "box": 0})
	got := ""
	for _, r := range root.Rows {
		got += r.Local + ":"
		for _, f := range r.To {
			got += fmt.Sprintf(" %s (%s)", f.Local, f.Rate)
		}
		got += "; "
	}
	if want := "a: box (1.5k/s); box: z (0/s); z:; "; got != want {
		t.Errorf("the root has %q; want %q", got, want)
	}
	if !root.Rates || len(root.Edges) != 2 || root.Edges[0].Idle || !root.Edges[1].Idle {
		t.Errorf("edges %+v", root.Edges)
	}
	if only := drawGraph("box", all, nil); len(only.Nodes) != 1 || only.Nodes[0].ID != "box/in" || only.Rates {
		t.Errorf("the module has %+v", only)
	}
}

// A foreach is no module itself: it has one for each item.
func TestCrumbsLeadOnlyToWhatIsThere(t *testing.T) {
	each, box := state("each"), state("box")
	each.ID, each.LocalID, each.ModuleIDs = "box/each", "each", []string{"box/each/a_1", "box/each/b_1"}
	box.ModuleIDs = []string{"box"}
	all := []pipeline.ComponentState{each, box}
	f := func(module string, want ...crumb) {
		t.Helper()
		if got := crumbs(module, all); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", module, got, want)
		}
	}
	f("")
	f("box", crumb{"box", "/component/box"})
	f("box/each/a_1", crumb{"box", "/graph/box"}, crumb{"box/each", "/component/box/each"}, crumb{"box/each/a_1", ""})
}

func TestRatesAreTakenOverTheWindow(t *testing.T) {
	var m meter
	at := func(s float64, n int64) reading {
		return reading{noon.Add(time.Duration(s * float64(time.Second))), map[string]int64{"a": n}}
	}
	f := func(r reading, window time.Duration, want float64) {
		t.Helper()
		if got := m.rates(r, window)["a"]; got != want {
			t.Errorf("%s after the first reading the rate is %v; want %v", r.at.Sub(noon), got, want)
		}
	}
	f(at(0, 100), 5*time.Second, 0)    // nothing to compare with
	f(at(0.2, 100), 5*time.Second, 0)  // too near
	f(at(2, 120), 5*time.Second, 10)   // since the first
	f(at(10, 200), 5*time.Second, 10)  // since the second
	f(at(12, 300), time.Second, 50)    // since the last
	f(at(20, 4), 5*time.Second, 4./8.) // another instance counts anew
	f(at(900, 100), 5*time.Second, 0)  // all that was read is too old
}

func TestAModulePassesOnWhatLeavesIt(t *testing.T) {
	out := state("m/out")
	out.ModuleID, out.ReferencesTo, out.DataFlowTo, out.Passed = "m", []string{"argument.to"}, nil, 5
	within := state("m/within", "out")
	within.ModuleID, within.Passed = "m", 50
	box := state("m")
	box.Data, box.ModuleIDs = "", []string{"m"}
	all := []pipeline.ComponentState{box, out, within}
	if n, counted := passedOn(box, all); n != 5 || !counted {
		t.Errorf("the module has passed on %d, %v", n, counted)
	}
	targets := state("t")
	targets.Data = live.Targets
	if _, counted := passedOn(targets, all); counted {
		t.Error("targets are counted as samples")
	}
}
