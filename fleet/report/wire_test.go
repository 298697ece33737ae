package report

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Whatever a node asks, it gets an answer or an error.
func FuzzAnswer(f *testing.F) {
	for _, want := range []string{wantNode, wantServed, wantList, wantPast, wantEvents, wantBrief, wantBook, wantMarks, wantHistory, "x"} {
		text, err := json.Marshal(request{Want: want, Component: component, Key: 1, Keys: []byte("12345678")})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("{"))
	w := newTown(&testing.T{}, "a")
	w.know(func(string) []string { return hosts(3) })
	f.Fuzz(func(t *testing.T, question []byte) {
		answer, err := w.houses["a"].Answer(t.Context(), "b", question)
		if err == nil && !json.Valid(answer) {
			t.Errorf("%s is answered with %s", question, answer)
		}
	})
}

// Whatever a node answers, the others go on.
func FuzzServed(f *testing.F) {
	f.Add([]byte(`{"digests":[{"component":"prometheus.scrape.x","count":3,"hash":"x","clustered":true}],"targets":[{"s":0,"k":1,"o":true,"a":5}]}`))
	f.Add([]byte(`{"digests":[{"component":"y","count":-3}],"targets":[{"s":7},{"s":-1}]}`))
	f.Add([]byte(`{"targets":[{"s":0,"t":-9223372036854775808,"a":9223372036854775807}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var s served
		if json.Unmarshal(answer, &s) != nil {
			return
		}
		w := newTown(t, "a")
		w.know(func(string) []string { return hosts(3) })
		a := w.houses["a"]
		accounts := []account{{node: "b", served: s, lists: make([][]status.Target, len(s.Digests))}, {node: "a", served: a.served()}}
		accounts[1].lists = [][]status.Target{a.inventory().sets[0].targets}
		tab := table{at: time.Now(), view: a.view.Load(), rows: tabulate(accounts), history: newHistory(&a.times)}
		if p := tab.page(matcher{}); p.Total != 3 {
			t.Errorf("%d targets", p.Total)
		}
	})
}

// A target is followed back through all components that made it what it is.
func TestWayOfATargetIsFound(t *testing.T) {
	set := func(text string) telemetry.Labels { return labels.FromStrings("__address__", "h:1", "step", text) }
	ways := []status.Relabelling{
		{Component: "second", Before: set("1"), Steps: []status.Rule{{Labels: set("2"), Kept: true}}},
		{Component: "other", Before: set("1"), Steps: []status.Rule{{Labels: set("9"), Kept: true}}},
		{Component: "first", Before: set("0"), Steps: []status.Rule{{Labels: set("1"), Kept: true}}},
		{Component: "loop", Before: set("0"), Steps: []status.Rule{{Labels: set("0"), Kept: true}}},
	}
	explain := func(wanted func(before, after telemetry.Labels) bool) (list []status.Relabelling) {
		for _, w := range ways {
			if wanted(w.Before, w.Steps[len(w.Steps)-1].Labels) {
				list = append(list, w)
			}
		}
		return list
	}
	var got []string
	for _, w := range trace(set("2"), explain) {
		got = append(got, w.Component)
	}
	if strings.Join(got, " ") != "first second" {
		t.Errorf("the way is %v", got)
	}
}

// All about a target is told by any node: the scrapes by its owner, the labels
// by one that knows it.
func TestAnyNodeKnowsAllAboutATarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(20) })
		w.houses["c"].know()
		page, err := w.houses["a"].Targets(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Targets {
			if p.Owner == "" {
				continue // c's, which does not know it
			}
			for _, node := range w.names {
				d, err := w.houses[node].Detail(t.Context(), component, p.Key)
				if err != nil || len(d.Scrapes) != 1 || d.Discovered.Get("__address__") == "" || d.Owner != p.Owner {
					t.Fatalf("%s says of %s: %+v, %v", node, p.URL, d, err)
				}
			}
		}
		if _, err := w.houses["c"].Detail(t.Context(), component, owner.Key(1)); err == nil {
			t.Error("a target that nobody knows is told of")
		}
	})
}
