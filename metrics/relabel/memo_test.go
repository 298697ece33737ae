package relabel

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// Whatever the rules and the series are, a program does what Prometheus does,
// the second time as well as the first.
func TestProgramDoesWhatPrometheusDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var before program
	for range 3000 {
		var rules []*relabel.Config
		for range 1 + r.IntN(4) {
			rules = append(rules, anyRule(r))
		}
		p := compile(rules, before)
		for range 20 {
			lset := anyLabels(r)
			want, got := labels.NewBuilder(lset), labels.NewBuilder(lset)
			wantKeep, gotKeep := relabel.ProcessBuilder(want, rules...), p.apply(got)
			if wantKeep != gotKeep || wantKeep && !labels.Equal(want.Labels(), got.Labels()) {
				t.Fatalf("%s\nof %s: %t %s; want %t %s", key(rules), lset, gotKeep, got.Labels(), wantKeep, want.Labels())
			}
		}
		before = p
	}
}

// anyRule returns a rule of any action on few labels.
func anyRule(r *rand.Rand) *relabel.Config {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	c := relabel.DefaultRelabelConfig
	c.NameValidationScheme = model.UTF8Validation
	if r.IntN(4) == 0 {
		c.NameValidationScheme = model.LegacyValidation
	}
	c.Action = relabel.Action(pick("replace", "replace", "keep", "drop", "keepequal", "dropequal", "hashmod",
		"labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase"))
	for range r.IntN(3) {
		c.SourceLabels = append(c.SourceLabels, model.LabelName(pick("__name__", "a", "b", "c")))
	}
	c.Separator = pick(";", "", "-")
	if r.IntN(3) > 0 {
		c.Regex = relabel.MustNewRegexp(pick("(.*)", "", "x", "(.)(.*)", "[ab](.?)", "x;(.+)|y", "__name__|a|b"))
	}
	c.Modulus = 3
	c.TargetLabel = pick("a", "b", "d", "$1", "t_${1}", "é", "")
	c.Replacement = pick("$1", "", "x", "$2$1", "n_$1")
	return &c
}

// anyLabels returns a series with some of few labels.
func anyLabels(r *rand.Rand) labels.Labels {
	lb := labels.NewBuilder(labels.EmptyLabels())
	for _, name := range []string{"__name__", "a", "b", "c"} {
		if r.IntN(3) > 0 {
			lb.Set(name, []string{"x", "y", "aX", "b1", "xy"}[r.IntN(5)])
		}
	}
	return lb.Labels()
}

// Long texts are matched like others, and not kept.
func TestLongTextsAreNotRemembered(t *testing.T) {
	c := relabel.DefaultRelabelConfig
	c.Action, c.Regex, c.SourceLabels = relabel.Keep, relabel.MustNewRegexp("x*"), model.LabelNames{"a"}
	p := compile([]*relabel.Config{&c}, nil)
	kept := func(text string) (keep bool, n int) {
		keep = p.apply(labels.NewBuilder(labels.FromStrings("a", text)))
		for i := range p[0].memo.slots {
			if p[0].memo.slots[i].Load() != nil {
				n++
			}
		}
		return keep, n
	}
	for range 2 {
		if keep, n := kept(strings.Repeat("x", maxText+1)); !keep || n != 0 {
			t.Errorf("a long text: %t, %d remembered; want true, 0", keep, n)
		}
	}
	if keep, n := kept(strings.Repeat("x", maxText)); !keep || n != 1 {
		t.Errorf("a shorter text: %t, %d remembered; want true, 1", keep, n)
	}
}

// What a rule has met is remembered when other rules change.
func TestMemoOutlivesAReload(t *testing.T) {
	drop := func(text string) *relabel.Config {
		c := relabel.DefaultRelabelConfig
		c.Action, c.Regex, c.SourceLabels = relabel.Drop, relabel.MustNewRegexp(text), model.LabelNames{"a"}
		return &c
	}
	p := compile([]*relabel.Config{drop("x"), drop("y")}, nil)
	for i := range 10_000 {
		p.apply(labels.NewBuilder(labels.FromStrings("a", fmt.Sprint(i))))
	}
	q := compile([]*relabel.Config{drop("x"), drop("z")}, p)
	if q[0].memo != p[0].memo {
		t.Error("the rule that stayed has forgotten everything")
	}
	if q[1].memo == p[1].memo {
		t.Error("another rule remembers what is not its own")
	}
}
