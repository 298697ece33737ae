package report

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// manyTargets makes a town of three nodes whose targets have labels as in real
// life.
func manyTargets(b *testing.B, n int) *town {
	w := newTown(&testing.T{}, "a", "b", "c")
	now := time.Now()
	var list []status.Target
	for i := range n {
		name := fmt.Sprintf("pod-%d", i)
		l := labels.FromStrings("instance", name, "job", "kubernetes-pods", "namespace", "default",
			"pod", name, "node", fmt.Sprintf("node-%d", i%100), "app", fmt.Sprintf("app-%d", i%300))
		list = append(list, status.Target{
			Component: component, Key: owner.TargetKey(l), Job: "kubernetes-pods", URL: fmt.Sprintf("http://10.1.%d.%d:9100/metrics", i/256, i%256),
			Labels: l, Interval: 15 * time.Second, Clustered: true, Health: status.Up,
			Scrape: status.Scrape{Slot: now, At: now, Duration: 3 * time.Millisecond, Bytes: 60_000, Samples: 700, Kept: 650},
		})
	}
	for _, h := range w.houses {
		h.targets = append([]status.Target(nil), list...)
		for i := range h.targets {
			if m, _ := h.view.Load().Owner(h.targets[i].Key, now); m.Name != h.name {
				h.targets[i].Scrape, h.targets[i].Health = status.Scrape{}, status.Unknown
			}
		}
	}
	return w
}

// A page of 10,000 targets on three nodes, from nothing: all nodes are asked,
// and all of this is done by this process, also what the others do.
func BenchmarkPageCold(b *testing.B) {
	w := manyTargets(b, 10_000)
	a := w.houses["a"]
	for b.Loop() {
		for _, h := range w.houses {
			h.own, h.rows = memo[inventory]{}, memo[table]{}
		}
		p, err := a.Targets(context.Background(), Query{Text: "pod-99", Sort: "-samples"})
		if err != nil || p.Total != 10_000 || len(p.Targets) != 50 {
			b.Fatal(p.Total, len(p.Targets), err)
		}
	}
}

// A page while the answers are fresh: what filtering and sorting cost.
func BenchmarkPageWarm(b *testing.B) {
	w := manyTargets(b, 10_000)
	a := w.houses["a"]
	now := time.Now()
	a.cfg.Now = func() time.Time { return now }
	for b.Loop() {
		if _, err := a.Targets(context.Background(), Query{Matchers: `{app=~"app-1.*"}`, Sort: "-duration"}); err != nil {
			b.Fatal(err)
		}
	}
}

// What two of three nodes answer for a page of all targets.
func BenchmarkServed(b *testing.B) {
	w := manyTargets(b, 10_000)
	a := w.houses["a"]
	var size int
	for b.Loop() {
		text, err := json.Marshal(a.served())
		if err != nil {
			b.Fatal(err)
		}
		size = len(text)
	}
	b.ReportMetric(float64(size), "bytes")
}

// What a look costs a node while all is well.
func BenchmarkLook(b *testing.B) {
	w := manyTargets(b, 10_000)
	a := w.houses["a"]
	watch := watch{components: map[string]*dispute{}}
	for b.Loop() {
		a.look(context.Background(), &watch)
	}
}

// What a comparison costs when each node knows every target by another name.
func BenchmarkDispute(b *testing.B) {
	w := manyTargets(b, 10_000)
	for _, h := range w.houses {
		h.came = map[owner.Key]labels.Labels{}
		for i := range h.targets {
			t := &h.targets[i]
			came := labels.NewBuilder(t.Labels).Set("host", h.name).Set("__address__", t.URL).Labels()
			t.Key = owner.TargetKey(came)
			h.came[t.Key] = came
		}
	}
	a := w.houses["a"]
	brief := ask(context.Background(), a.Reporter, request{Want: wantBrief}, a.brief)
	c := claimsOf(brief.said, a.view.Load(), time.Now())[component]
	for b.Loop() {
		if j, ok := a.compare(context.Background(), c); !ok || j.Targets != 10_000 || len(j.Places) != 10_000 {
			b.Fatalf("%d targets, %d places", j.Targets, len(j.Places))
		}
	}
}
