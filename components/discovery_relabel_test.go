package components

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// told renders relabellings, a step a line.
func told(list []status.Relabelling) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s\n", r.Before)
		for _, s := range r.Steps {
			fate := "dropped"
			if s.Kept {
				fate = s.Labels.String()
			}
			fmt.Fprintf(&b, "  %s\n    %s\n", s.Rule, fate)
		}
	}
	return b.String()
}

// The way of a target is told rule by rule, up to the one that drops it.
func TestRelabellingIsExplainedStepByStep(t *testing.T) {
	r := start(t, newDiscoveryRelabel, `
		targets = [
			{"__address__" = "a:1", "__meta_role" = "web"},
			{"__address__" = "b:1", "__meta_role" = "db"},
			{"__address__" = "c:1", "__meta_role" = "web"},
		]
		rule {
			source_labels = ["__meta_role"]
			target_label  = "role"
		}
		rule {
			source_labels = ["__meta_role"]
			regex         = "web"
			action        = "keep"
		}
		rule {
			source_labels = ["__address__"]
			regex         = "(.*):.*"
			target_label  = "host"
		}`, nil)
	all := r.instance.(component.Relabeller).Explain(func(before, after telemetry.Labels) bool {
		return before.Get("__address__") != "c:1" && after.IsEmpty() == (before.Get("__address__") == "b:1")
	})
	want := `{__address__="a:1", __meta_role="web"}
  replace: [__meta_role] → role
    {__address__="a:1", __meta_role="web", role="web"}
  keep: [__meta_role] =~ "web"
    {__address__="a:1", __meta_role="web", role="web"}
  replace: [__address__] =~ "(.*):.*" → host
    {__address__="a:1", __meta_role="web", host="a", role="web"}
{__address__="b:1", __meta_role="db"}
  replace: [__meta_role] → role
    {__address__="b:1", __meta_role="db", role="db"}
  keep: [__meta_role] =~ "web"
    dropped
`
	if diff := cmp.Diff(want, told(all)); diff != "" {
		t.Error(diff)
	}
	if all[0].Component != "kind.test.default" {
		t.Errorf("component %q", all[0].Component)
	}
}

// An explanation holds no password that stands in an address, a URL or a rule.
func TestExplanationsTellNoSecrets(t *testing.T) {
	r := start(t, newDiscoveryRelabel, `
		targets = [{"__address__" = "me:hush1@a:1", "__meta_url" = "http://me:hush2@sd/", "__param_token" = "hush3"}]
		rule {
			source_labels = ["__meta_url"]
			regex         = "http://me:hush4@sd/.*"
			target_label  = "__param_api_key"
			replacement   = "hush5"
		}
		rule {
			target_label = "proxy"
			replacement  = "http://me:hush6@proxy/"
		}`, nil)
	all := r.instance.(component.Relabeller).Explain(func(before, after telemetry.Labels) bool {
		if strings.Contains(before.String()+after.String(), "hush") {
			t.Errorf("asked about %s and %s", before, after)
		}
		return true
	})
	text, err := json.Marshal(all)
	if err != nil || len(all) != 1 || len(all[0].Steps) != 2 || strings.Contains(string(text), "hush") {
		t.Errorf("explained as %s, %v", text, err)
	}
}

// Anybody may ask at any time.
func TestExplainsWhileUpdated(t *testing.T) {
	r := start(t, newDiscoveryRelabel, `targets = []`, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			r.instance.(component.Relabeller).Explain(func(_, _ telemetry.Labels) bool { return true })
		}
	})
	for i := range 100 {
		if err := r.update(fmt.Sprintf(`targets = [{"__address__" = "a:%d"}]`, i)); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// FuzzStepsAreTheWholeWay draws rules and a target. Taken one by one, the rules
// must end where they end together.
func FuzzStepsAreTheWholeWay(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte("labelmap after a label that sorts first"))
	f.Add([]byte{9, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3})
	f.Fuzz(func(t *testing.T, seed []byte) {
		d := &drawing{seed: seed}
		target, rules := d.target(), d.rules()
		w := newWay(rules)
		steps := w.steps(target)
		after, kept := target, true
		for _, s := range steps {
			after, kept = s.Labels, s.Kept
		}
		b := labels.NewBuilder(target)
		wantKept := relabel.ProcessBuilder(b, args.Rules(rules)...)
		want := b.Labels()
		if kept != wantKept || kept && !labels.Equal(after, want) {
			t.Errorf("steps end at %s, %v; together the rules give %s, %v\n%s",
				after, kept, want, wantKept, strings.Join(w.lines, "\n"))
		}
		if end := w.end(target); kept && !labels.Equal(end, want) || !kept && !end.IsEmpty() {
			t.Errorf("the way ends at %s, %v", end, kept)
		}
	})
}

// A drawing makes things from bytes.
type drawing struct{ seed []byte }

// pick returns one of list.
func (d *drawing) pick(list ...string) string {
	if len(d.seed) == 0 {
		return list[0]
	}
	n := int(d.seed[0])
	d.seed = d.seed[1:]
	return list[n%len(list)]
}

func (d *drawing) name() string { return d.pick("a", "b", "x_a", "z_a", "x_b", "z_b", "job") }

func (d *drawing) target() telemetry.Target {
	b := labels.NewBuilder(labels.EmptyLabels())
	for range 4 {
		b.Set(d.name(), d.pick("1", "2", "x", ""))
	}
	return b.Labels()
}

func (d *drawing) rules() (list []*args.Rule) {
	for range 8 {
		r := new(args.Rule)
		r.SetToDefault()
		action := d.pick("replace", "labelmap", "labeldrop", "labelkeep", "keep", "drop", "keepequal", "dropequal", "hashmod", "uppercase")
		r.Action = args.Action(action)
		switch action {
		case "labelmap":
			r.Regex, r.Replacement = args.Regex(d.pick("._(.)", "(.)", "x_(.*)")), d.pick("$1", "x_$1", "${1}_a")
		case "labeldrop", "labelkeep":
			r.Regex = args.Regex(d.pick("z_.*", "x_.*", ".*"))
		default:
			r.SourceLabels = []string{d.name()}
		}
		switch action {
		case "replace":
			r.Regex, r.TargetLabel, r.Replacement = args.Regex(d.pick("(.*)", "(1)", ".+")), d.name(), d.pick("$1", "", "v")
		case "keep", "drop":
			r.Regex = args.Regex(d.pick(".*", "1", "x?"))
		case "keepequal", "dropequal", "uppercase", "hashmod":
			r.TargetLabel, r.Modulus = d.name(), 2
		}
		if action != "hashmod" {
			r.Modulus = 0
		}
		list = append(list, r)
	}
	return list
}
