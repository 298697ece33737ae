package relabel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/metrics/relabel"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// rule returns a rule with the defaults of the language.
func rule(action promrelabel.Action, source, regex, target, replacement string) *promrelabel.Config {
	c := promrelabel.DefaultRelabelConfig
	c.Action, c.TargetLabel, c.Replacement = action, target, replacement
	c.Regex = promrelabel.MustNewRegexp(regex)
	c.NameValidationScheme = model.UTF8Validation
	if source != "" {
		c.SourceLabels = model.LabelNames{model.LabelName(source)}
	}
	return &c
}

func TestRulesAreASink(t *testing.T) {
	sinktest.TestSink(t, func(*testing.T) sinktest.Fixture {
		next := sinktest.NewRecorder()
		r := relabel.New(relabel.Config{Next: next})
		return sinktest.Fixture{Sink: r, Change: next.Change, Received: next.Points}
	})
}

// The contract holds as well when it is the rules that change.
func TestRulesThatChangeAreASink(t *testing.T) {
	sinktest.TestSink(t, func(*testing.T) sinktest.Fixture {
		next := sinktest.NewRecorder()
		r := relabel.New(relabel.Config{Next: next})
		other := false
		change := func() {
			cfg := relabel.Config{Next: next}
			if other = !other; other {
				cfg.Rules = []*promrelabel.Config{rule(promrelabel.Drop, "job", "never", "", "")}
			}
			r.Update(cfg)
		}
		return sinktest.Fixture{Sink: r, Change: change, Received: next.Points}
	})
}

func TestHandleIsTheNextSinks(t *testing.T) {
	next := sinktest.NewRecorder()
	r := relabel.New(relabel.Config{
		Next:  next,
		Rules: []*promrelabel.Config{rule(promrelabel.Replace, "a", "(.*)", "b", "x$1")},
	})
	h := r.Resolve(labels.FromStrings("a", "1"), nil)
	if want := next.Resolve(labels.FromStrings("a", "1", "b", "x1"), nil); h != want {
		t.Errorf("handle %x; want that of the next sink, %x", h, want)
	}
}

func TestRulesDrop(t *testing.T) {
	next := sinktest.NewRecorder()
	f := func(rules []*promrelabel.Config) {
		t.Helper()
		r := relabel.New(relabel.Config{Next: next, Rules: rules})
		if h := r.Resolve(labels.FromStrings("a", "1"), nil); h != telemetry.Dropped {
			t.Errorf("handle %x; want Dropped", h)
		}
	}
	f([]*promrelabel.Config{rule(promrelabel.Drop, "a", "1", "", "")})
	f([]*promrelabel.Config{rule(promrelabel.Keep, "a", "2", "", "")})
	f([]*promrelabel.Config{rule(promrelabel.LabelDrop, "", "a", "", "")}) // no label is left
	if len(next.Held()) != 0 {
		t.Errorf("the next sink holds %v", next.Held())
	}
}

// An Update that changes nothing must not make everybody resolve again.
func TestEpochChangesOnlyWithTheRules(t *testing.T) {
	next := sinktest.NewRecorder()
	drop := func() []*promrelabel.Config {
		return []*promrelabel.Config{rule(promrelabel.Drop, "a", "1", "", "")}
	}
	r := relabel.New(relabel.Config{Next: next, Rules: drop()})
	before := r.Epoch()
	if r.Update(relabel.Config{Next: next, Rules: drop()}); r.Epoch() != before {
		t.Error("the epoch changed with equal rules")
	}
	if r.Update(relabel.Config{Next: next}); r.Epoch() == before {
		t.Error("the epoch did not change with the rules")
	}
	before = r.Epoch()
	if r.Update(relabel.Config{Next: sinktest.NewRecorder()}); r.Epoch() == before {
		t.Error("the epoch did not change with the next sink")
	}
	before = r.Epoch()
	if next.Change(); r.Epoch() != before {
		t.Error("the epoch changed with a sink that is the next no more")
	}
}

// What was resolved before the next sink changed is marked and released there.
func TestOldHandlesGoToTheirSink(t *testing.T) {
	old, young := sinktest.NewRecorder(), sinktest.NewRecorder()
	r := relabel.New(relabel.Config{Next: old})
	lset := labels.FromStrings("a", "1")
	h := r.Resolve(lset, nil)
	r.Update(relabel.Config{Next: young})
	k := r.Resolve(lset, nil)
	err := r.Append(&telemetry.Batch{
		Epoch:   r.Epoch(),
		Samples: []telemetry.Sample{{Handle: h, T: 1}, {Handle: k, T: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	times := func(s *sinktest.Recorder) (list []int64) {
		for _, p := range s.Points() {
			list = append(list, p.T)
		}
		return list
	}
	if diff := cmp.Diff([][]int64{{1}, {2}}, [][]int64{times(old), times(young)}); diff != "" {
		t.Errorf("samples at the old and the new sink (-want +got):\n%s", diff)
	}
	r.Release([]telemetry.Handle{h, k})
	if n := len(old.Held()) + len(young.Held()); n != 0 {
		t.Errorf("%d series are still held", n)
	}
}

func TestWithoutNextSinkEverythingIsDropped(t *testing.T) {
	r := relabel.New(relabel.Config{})
	if h := r.Resolve(labels.FromStrings("a", "1"), nil); h != telemetry.Dropped {
		t.Errorf("handle %x; want Dropped", h)
	}
}

func TestMetricsCountWhatPasses(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := relabel.New(relabel.Config{
		Next:     sinktest.NewRecorder(),
		Registry: registry,
		Rules:    []*promrelabel.Config{rule(promrelabel.Drop, "a", "2", "", "")},
	})
	h := r.Resolve(labels.FromStrings("a", "1"), nil)
	r.Resolve(labels.FromStrings("a", "2"), nil)
	for range 3 {
		if err := r.Append(&telemetry.Batch{Epoch: r.Epoch(), Samples: []telemetry.Sample{{Handle: h}}}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(name string, want float64) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, m := range families {
			if m.GetName() == name {
				found = true
				v := m.GetMetric()[0].GetCounter().GetValue() + m.GetMetric()[0].GetGauge().GetValue()
				if v != want {
					t.Errorf("%s is %v; want %v", name, v, want)
				}
			}
		}
		if !found {
			t.Errorf("%s is not there", name)
		}
	}
	f("prometheus_relabel_metrics_processed", 4)
	f("prometheus_relabel_metrics_written", 3)
	f("prometheus_relabel_cache_hits", 3)
	f("prometheus_relabel_cache_misses", 2)
	f("prometheus_relabel_cache_size", 1)
	f("prometheus_forwarded_samples_total", 3)
}

// BenchmarkAppend shows that a sample costs nothing here.
func BenchmarkAppend(b *testing.B) {
	r := relabel.New(relabel.Config{})
	batch := telemetry.Batch{Epoch: r.Epoch(), Samples: make([]telemetry.Sample, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
}
