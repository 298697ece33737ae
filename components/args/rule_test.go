package args

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
)

// ruled is an argument struct with rules.
type ruled struct {
	Rules []*Rule `alloy:"rule,block,optional"`
}

func TestRuleNamesTheMistakeAndTheRemedy(t *testing.T) {
	f := func(rule, want string) {
		t.Helper()
		var r ruled
		err := decode(t, "rule {\n"+rule+"\n}", &r)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant %q", rule, err, want)
		}
	}
	f(`action = "repalce"`, `unknown action "repalce": use one of replace, keep`)
	f(`regex = "("`, "compile regex")
	f(`action = "hashmod"`+"\n"+`target_label = "x"`, "set modulus to the number of shards")
	f(`action = "replace"`, "set target_label")
	f(`action = "lowercase"`, "set target_label")
	f(`action = "labeldrop"`+"\n"+`source_labels = ["x"]`, "remove the arguments that the action does not use")
	f(`action = "keepequal"`+"\n"+`target_label = "x"`+"\n"+`regex = "y"`, "remove the arguments")
	f(`modulus = -1`+"\n"+`action = "hashmod"`+"\n"+`target_label = "x"`, "modulus must not be negative")
}

func TestActionsInAnyCase(t *testing.T) {
	var r ruled
	if err := decode(t, "rule {\n action = \"LabelDrop\"\n regex = \"x\"\n}", &r); err != nil {
		t.Fatal(err)
	}
	if got := r.Rules[0].Action; got != "labeldrop" {
		t.Errorf("action %q", got)
	}
}

// A rule in our language does what the same rule does in Prometheus' YAML.
func TestRulesAgreeWithPrometheus(t *testing.T) {
	in := labels.FromStrings("__name__", "up", "instance", "Host:9090", "job", "a", "other", "a", "tmp_x", "1")
	f := func(ours, yml string) {
		t.Helper()
		var r ruled
		if err := decode(t, "rule {\n"+ours+"\n}", &r); err != nil {
			t.Errorf("%s: %v", ours, err)
			return
		}
		var theirs relabel.Config
		if err := yaml.Unmarshal([]byte(yml), &theirs); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Validate(model.UTF8Validation); err != nil {
			t.Fatal(err)
		}
		got, want := labels.NewBuilder(in), labels.NewBuilder(in)
		keptGot := relabel.ProcessBuilder(got, Rules(r.Rules)...)
		keptWant := relabel.ProcessBuilder(want, &theirs)
		if keptGot != keptWant || keptGot && got.Labels() != want.Labels() {
			t.Errorf("%s gives %v %s; want %v %s", ours, keptGot, got.Labels(), keptWant, want.Labels())
		}
	}
	f("target_label = \"x\"", `target_label: x`)
	f("target_label = \"x\"\n replacement = \"y\"", "{target_label: x, replacement: y}")
	f("source_labels = [\"instance\", \"job\"]\n separator = \"@\"\n regex = \"(.*):\\\\d+@(.*)\"\n target_label = \"x\"\n replacement = \"$2-${1}\"",
		`{source_labels: [instance, job], separator: "@", regex: '(.*):\d+@(.*)', target_label: x, replacement: "$2-${1}"}`)
	f("source_labels = [\"job\"]\n regex = \"\"\n target_label = \"x\"", `{source_labels: [job], regex: "", target_label: x}`)
	f("source_labels = [\"job\"]\n target_label = \"job\"\n replacement = \"\"", `{source_labels: [job], target_label: job, replacement: ""}`)
	f("source_labels = [\"job\"]\n regex = \"b\"\n action = \"keep\"", "{source_labels: [job], regex: b, action: keep}")
	f("source_labels = [\"job\"]\n regex = \"b\"\n action = \"drop\"", "{source_labels: [job], regex: b, action: drop}")
	f("source_labels = [\"job\"]\n target_label = \"other\"\n action = \"keepequal\"", "{source_labels: [job], target_label: other, action: keepequal}")
	f("source_labels = [\"job\"]\n target_label = \"other\"\n action = \"dropequal\"", "{source_labels: [job], target_label: other, action: dropequal}")
	f("source_labels = [\"instance\"]\n target_label = \"s\"\n modulus = 7\n action = \"hashmod\"", "{source_labels: [instance], target_label: s, modulus: 7, action: hashmod}")
	f("regex = \"tmp_(.*)\"\n replacement = \"$1\"\n action = \"labelmap\"", "{regex: 'tmp_(.*)', replacement: '$1', action: labelmap}")
	f("regex = \"tmp_.*\"\n action = \"labeldrop\"", "{regex: 'tmp_.*', action: labeldrop}")
	f("regex = \"__name__|job\"\n action = \"labelkeep\"", "{regex: '__name__|job', action: labelkeep}")
	f("source_labels = [\"instance\"]\n target_label = \"x\"\n action = \"lowercase\"", "{source_labels: [instance], target_label: x, action: lowercase}")
	f("source_labels = [\"instance\"]\n target_label = \"x\"\n action = \"uppercase\"", "{source_labels: [instance], target_label: x, action: uppercase}")
}

// Rules print as they were written.
func TestRulePrints(t *testing.T) {
	var r ruled
	if err := decode(t, "rule {\n regex = \"a|b\"\n action = \"KEEP\"\n}", &r); err != nil {
		t.Fatal(err)
	}
	regex, _ := r.Rules[0].Regex.MarshalText()
	action, _ := r.Rules[0].Action.MarshalText()
	if diff := cmp.Diff([]string{"a|b", "keep"}, []string{string(regex), string(action)}); diff != "" {
		t.Error(diff)
	}
}
