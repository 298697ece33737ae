package relabel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/profiles/relabel"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// A recorder is a sink that remembers the labels it was given.
type recorder struct {
	mu   sync.Mutex
	got  []string
	fail error
}

func (r *recorder) Append(_ context.Context, list []profiles.Profile) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range list {
		r.got = append(r.got, p.Labels.String()+" "+string(p.Raw))
	}
	return r.fail
}

func rule(action promrelabel.Action, source, regex, target, replacement string) *promrelabel.Config {
	c := promrelabel.DefaultRelabelConfig
	c.Action, c.Regex, c.TargetLabel, c.Replacement = action, promrelabel.MustNewRegexp(regex), target, replacement
	c.NameValidationScheme = 2 // UTF-8
	if source != "" {
		c.SourceLabels = append(c.SourceLabels, "a")
	}
	return &c
}

func list(values ...string) (out []profiles.Profile) {
	for _, v := range values {
		out = append(out, profiles.Profile{Labels: labels.FromStrings("a", v), Raw: []byte("raw")})
	}
	return out
}

// Rules change labels and drop profiles; what is known of a series is used
// again, and forgotten when the rules change.
func TestRulesDecideOncePerSeries(t *testing.T) {
	next := &recorder{}
	reg := prometheus.NewRegistry()
	cfg := relabel.Config{Next: next, CacheSize: 100, Registry: reg, Rules: []*promrelabel.Config{
		rule(promrelabel.Drop, "a", "2", "", ""), rule(promrelabel.Replace, "a", "(.*)", "b", "x$1"),
	}}
	rules := relabel.New(cfg)
	for range 3 {
		if err := rules.Append(t.Context(), list("1", "2", "3")); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`{a="1", b="x1"} raw`, `{a="3", b="x3"} raw`}
	if diff := cmp.Diff(append(append(want, want...), want...), next.got); diff != "" {
		t.Error(diff)
	}
	value := func(name string, want float64) {
		t.Helper()
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if m := f.GetMetric()[0]; f.GetName() == name && m.GetCounter().GetValue()+m.GetGauge().GetValue() != want {
				t.Errorf("%s is %v; want %v", name, m, want)
			}
		}
	}
	value("pyroscope_relabel_profiles_processed", 9)
	value("pyroscope_relabel_profiles_written", 6)
	value("pyroscope_relabel_profiles_dropped", 3)
	value("pyroscope_relabel_cache_misses", 3)
	value("pyroscope_relabel_cache_hits", 6)
	value("pyroscope_relabel_cache_size", 3)
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 7 {
		t.Errorf("%d metrics, %v", n, err)
	}
	next.got, cfg.Rules = nil, nil
	rules.Update(cfg)
	if err := rules.Append(t.Context(), list("2")); err != nil || len(next.got) != 1 || next.got[0] != `{a="2"} raw` {
		t.Errorf("got %v, %v", next.got, err)
	}
}

// The error of the next sink comes back; what is dropped never gets there.
func TestErrorsComeBack(t *testing.T) {
	broken := errors.New("broken")
	rules := relabel.New(relabel.Config{
		Next: &recorder{fail: broken}, CacheSize: 1, Rules: []*promrelabel.Config{rule(promrelabel.Drop, "a", "2", "", "")},
	})
	if err := rules.Append(t.Context(), list("1")); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := rules.Append(t.Context(), list("2")); err != nil {
		t.Errorf("got %v", err)
	}
}

// The cache stays within its bounds, and a series that goes on stays in it,
// whatever else comes.
func TestCacheIsBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	rules := relabel.New(relabel.Config{
		Next: &recorder{}, CacheSize: 100, Registry: reg, Rules: []*promrelabel.Config{rule(promrelabel.Replace, "a", "(.*)", "b", "x")},
	})
	const n = 1000
	for i := range n {
		if err := rules.Append(t.Context(), list("stays", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		switch v := f.GetMetric()[0]; f.GetName() {
		case "pyroscope_relabel_cache_size":
			if v.GetGauge().GetValue() > 100 {
				t.Errorf("the cache has %v series", v)
			}
		case "pyroscope_relabel_cache_misses":
			if v.GetCounter().GetValue() != n+1 {
				t.Errorf("rules were applied %v times; want %d", v, n+1)
			}
		}
	}
}

// Updates and appends may come at the same time.
func TestUpdateWhileProfilesPass(t *testing.T) {
	next := &recorder{}
	cfg := relabel.Config{Next: next, CacheSize: 10, Rules: []*promrelabel.Config{rule(promrelabel.Replace, "a", "(.*)", "b", "x")}}
	rules := relabel.New(cfg)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				if err := rules.Append(context.Background(), list(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 50 {
		rules.Update(cfg)
	}
	wg.Wait()
	if len(next.got) != 800 {
		t.Errorf("%d profiles arrived", len(next.got))
	}
}

// Who watches sees each profile before and after the rules.
func TestWatchersSeeBeforeAndAfter(t *testing.T) {
	feed := new(live.Feed)
	w := feed.Watch(1)
	defer w.Close()
	rules := relabel.New(relabel.Config{Next: &recorder{}, CacheSize: 10, Live: feed, Rules: []*promrelabel.Config{
		rule(promrelabel.Drop, "a", "2", "", ""), rule(promrelabel.Replace, "a", "(.*)", "b", "x$1"),
	}})
	if err := rules.Append(t.Context(), list("1", "2")); err != nil {
		t.Fatal(err)
	}
	got, _ := w.Take()
	if diff := cmp.Diff([]string{`{a="1"} => {a="1", b="x1"}`, `{a="2"} => dropped`}, got); diff != "" {
		t.Error(diff)
	}
}
