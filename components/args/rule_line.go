package args

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// Line returns the rule in one line for people, without what it need not say
// because it is the default, and without passwords:
//
//	keep: [__meta_role] =~ "web|db"
//	replace: [__meta_host, __meta_port] with ":" → instance
//	labelmap: names =~ "__meta_label_(.+)"
func (r *Rule) Line() string {
	var parts []string
	say := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	switch relabel.Action(r.Action) {
	case relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep:
		say("names =~ %s", quote(string(r.Regex)))
	default:
		r.sayValue(say)
	}
	switch relabel.Action(r.Action) {
	case relabel.LabelMap:
		if r.Replacement != "$1" {
			say("→ %s", quote(r.Replacement))
		}
	case relabel.HashMod:
		say("mod %d → %s", r.Modulus, r.TargetLabel)
	case relabel.KeepEqual, relabel.DropEqual:
		say("== %s", r.TargetLabel)
	case relabel.Lowercase, relabel.Uppercase:
		say("→ %s", r.TargetLabel)
	case relabel.Replace:
		say("→ %s", r.TargetLabel)
		if r.Replacement != "$1" {
			say("= %s", quote(r.shownReplacement()))
		}
	}
	return fmt.Sprintf("%s: %s", r.Action, strings.Join(parts, " "))
}

// sayValue says what a rule looks at: the values of labels.
func (r *Rule) sayValue(say func(format string, a ...any)) {
	if len(r.SourceLabels) > 0 || r.Regex != defaultRegex {
		say("[%s]", strings.Join(r.SourceLabels, ", "))
	}
	if r.Separator != ";" && len(r.SourceLabels) > 1 {
		say("with %s", quote(r.Separator))
	}
	if r.Regex != defaultRegex {
		say("=~ %s", quote(string(r.Regex)))
	}
}

// shownReplacement is what is written to the target label, as far as it may be
// seen.
func (r *Rule) shownReplacement() string {
	if strings.HasPrefix(r.Replacement, "$") {
		return r.Replacement
	}
	return status.HideLabels(labels.FromStrings(r.TargetLabel, r.Replacement)).Get(r.TargetLabel)
}

// quote puts text in quotes, without escapes where that is possible.
func quote(text string) string {
	text = status.HidePasswords(text)
	if strconv.CanBackquote(text) && !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return strconv.Quote(text)
}
