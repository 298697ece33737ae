package ui

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

func labelsOf(pairs ...string) telemetry.Labels { return labels.FromStrings(pairs...) }

func TestAWayNamesTheRuleThatDropped(t *testing.T) {
	w := newWay(status.Relabelling{
		Before: labelsOf("__address__", "a:1", "x", "1"),
		Steps: []status.Rule{
			{Rule: "replace", Labels: labelsOf("__address__", "a:1", "x", "2"), Kept: true},
			{Rule: "none", Labels: labelsOf("__address__", "a:1", "x", "2"), Kept: true},
			{Rule: "drop"},
		},
	})
	if !w.Dropped || w.By.Rule != "drop" || w.By.Number != 3 || w.Name() != "a:1" {
		t.Errorf("%+v", w)
	}
	if diff := cmp.Diff([]change{{"x", "changed", "1", "2"}}, w.Steps[0].Changes); diff != "" {
		t.Error(diff)
	}
	if w.Steps[1].Changes != nil {
		t.Errorf("a rule that did nothing changed %v", w.Steps[1].Changes)
	}
}

// What compare tells suffices to make the labels after out of those before, and
// tells of each label once.
func TestChangesLeadFromBeforeToAfter(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		some := func() map[string]string {
			m := map[string]string{}
			for range r.IntN(6) {
				m[string(rune('a'+r.IntN(6)))] = string(rune('0' + r.IntN(3)))
			}
			return m
		}
		before, after := some(), some()
		got, told := map[string]string{}, map[string]bool{}
		for _, c := range compare(labels.FromMap(before), labels.FromMap(after)) {
			if told[c.Name] || c.Old != before[c.Name] {
				t.Fatalf("seed %d: %+v is wrong or told twice", seed, c)
			}
			told[c.Name] = true
			if c.Kind != "removed" {
				got[c.Name] = c.New
			}
		}
		if diff := cmp.Diff(after, got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func TestFailedScrapesAreACurveOfTheirOwn(t *testing.T) {
	plots := scrapePlots([]status.Scrape{{Duration: 1e9, Samples: 5, Kept: 5}, {Duration: 2e9, Err: "no"}})
	text, err := plots[0].JSON()
	want := `{"title":"Duration","unit":"seconds","times":[-62135596800,-62135596800],"curves":[` +
		`{"name":"took","values":[1,null],"tone":"","points":true},{"name":"failed after","values":[null,2],"tone":"bad","points":true}]}`
	if diff := cmp.Diff(want, text); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if len(plots[1].Curves) != 1 {
		t.Error("all samples were kept, and the plot shows that twice")
	}
	if scrapePlots(nil) != nil {
		t.Error("nothing was scraped, and there is a plot")
	}
}
