package args

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/grafana/alloy/syntax"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// A Rule is one block that rewrites, keeps or drops sets of labels.
type Rule struct {
	// The values of SourceLabels, joined by Separator, are what Regex is
	// matched against; for labelmap, labeldrop and labelkeep it is the names.
	SourceLabels []string `alloy:"source_labels,attr,optional"`
	Separator    string   `alloy:"separator,attr,optional"` // default ;
	Regex        Regex    `alloy:"regex,attr,optional"`     // default (.*)

	Modulus     uint64 `alloy:"modulus,attr,optional"`      // of hashmod; required there
	TargetLabel string `alloy:"target_label,attr,optional"` // which is written or compared
	Replacement string `alloy:"replacement,attr,optional"`  // may refer to groups of Regex; default $1
	Action      Action `alloy:"action,attr,optional"`       // default replace
}

// SetToDefault makes r the rule that copies the source labels.
func (r *Rule) SetToDefault() {
	*r = Rule{Separator: ";", Regex: defaultRegex, Replacement: "$1", Action: Action(relabel.Replace)}
}

// defaultRegex matches everything, as one group.
const defaultRegex = "(.*)"

// Validate reports what the action lacks or cannot have.
func (r *Rule) Validate() error {
	if r.Modulus > math.MaxInt64 { // the language lets a negative number wrap around
		return errors.New("modulus must not be negative")
	}
	c, err := r.config()
	if err != nil {
		return err
	}
	if err := c.Validate(model.UTF8Validation); err != nil {
		return fmt.Errorf("rule with action %q: %w%s", r.Action, err, r.remedy())
	}
	return nil
}

// remedy says how to complete a rule that is not valid, if that is plain.
func (r *Rule) remedy() string {
	switch a := relabel.Action(r.Action); {
	case a == relabel.HashMod && r.Modulus == 0:
		return ": set modulus to the number of shards"
	case r.TargetLabel == "" && a != relabel.LabelDrop && a != relabel.LabelKeep && a != relabel.LabelMap:
		return ": set target_label to the label that is written or compared"
	}
	return ": remove the arguments that the action does not use"
}

// config returns r for the library that applies it, or why its regex does not
// compile. The default regex is the library's own, which it recognises by
// address to skip the match.
func (r *Rule) config() (*relabel.Config, error) {
	re := relabel.DefaultRelabelConfig.Regex
	if r.Regex != defaultRegex {
		var err error
		if re, err = relabel.NewRegexp(string(r.Regex)); err != nil {
			return nil, fmt.Errorf("compile regex of a rule: %w", err)
		}
	}
	var sources model.LabelNames
	for _, name := range r.SourceLabels {
		sources = append(sources, model.LabelName(name))
	}
	return &relabel.Config{
		SourceLabels:         sources,
		Separator:            r.Separator,
		Regex:                re,
		Modulus:              r.Modulus,
		TargetLabel:          r.TargetLabel,
		Replacement:          r.Replacement,
		Action:               relabel.Action(r.Action),
		NameValidationScheme: model.UTF8Validation,
	}, nil
}

// Rules returns the rules for the library that applies them. They must be
// valid: see Rule.Validate.
func Rules(list []*Rule) []*relabel.Config {
	out := make([]*relabel.Config, len(list))
	for i, r := range list {
		c, err := r.config()
		if err != nil {
			panic(fmt.Sprintf("BUG: use a rule that was not validated: %v", err))
		}
		out[i] = c
	}
	return out
}

// RuleSet is the capsule around a list of rules: the export `rules`.
type RuleSet []*Rule

var _ syntax.Capsule = RuleSet(nil)

// AlloyCapsule marks the type as a capsule of the language.
func (RuleSet) AlloyCapsule() {}

// Regex is an RE2 expression that compiles; it is anchored at both ends when
// it is applied.
type Regex string

// UnmarshalText accepts what compiles.
func (r *Regex) UnmarshalText(text []byte) error {
	if _, err := regexp.Compile(string(text)); err != nil {
		return fmt.Errorf("compile regex %q: %w", text, err)
	}
	*r = Regex(text)
	return nil
}

// MarshalText returns the expression as it was written.
func (r Regex) MarshalText() ([]byte, error) { return []byte(r), nil }

// Action is what a rule does, in lower case.
type Action string

// actions lists the names that Action accepts.
var actions = []relabel.Action{
	relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual,
	relabel.HashMod, relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep,
	relabel.Lowercase, relabel.Uppercase,
}

// UnmarshalText accepts the name of an action in any case.
func (a *Action) UnmarshalText(text []byte) error {
	name := relabel.Action(strings.ToLower(string(text)))
	known := make([]string, len(actions))
	for i, k := range actions {
		if name == k {
			*a = Action(name)
			return nil
		}
		known[i] = string(k)
	}
	return fmt.Errorf("unknown action %q: use one of %s", text, strings.Join(known, ", "))
}

// MarshalText returns the name of the action.
func (a Action) MarshalText() ([]byte, error) { return []byte(a), nil }
