// Package selector reads label selectors as PromQL has them.
package selector

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// A Selector is conditions on labels. One without any selects everything.
type Selector []*labels.Matcher

// Matches reports whether the selector selects a set of labels.
func (s Selector) Matches(set labels.Labels) bool {
	for _, m := range s {
		if !m.Matches(set.Get(m.Name)) {
			return false
		}
	}
	return true
}

// operators of a selector; one that begins like another comes before it.
var operators = []struct {
	text string
	kind labels.MatchType
}{{"=~", labels.MatchRegexp}, {"!~", labels.MatchNotRegexp}, {"!=", labels.MatchNotEqual}, {"=", labels.MatchEqual}}

// Parse reads a selector, {job="a",env=~"p.*"}.
// The braces, and the quotes of a value without special characters, may be left
// out. An empty selector selects everything.
func Parse(text string) (Selector, error) {
	rest := strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		if inner, ok = strings.CutSuffix(inner, "}"); !ok {
			return nil, fmt.Errorf("selector %s: the closing brace is missing", text)
		}
		rest = strings.TrimSpace(inner)
	}
	var list Selector
	for rest != "" {
		m, after, err := parseMatcher(rest)
		if err != nil {
			return nil, fmt.Errorf("selector %s: %w", text, err)
		}
		list = append(list, m)
		after = strings.TrimSpace(after)
		next, comma := strings.CutPrefix(after, ",")
		if !comma && after != "" {
			return nil, fmt.Errorf("selector %s: there is no comma before %s", text, after)
		}
		rest = strings.TrimSpace(next)
	}
	return list, nil
}

// parseMatcher reads one condition, and returns what follows it.
func parseMatcher(text string) (m *labels.Matcher, rest string, err error) {
	end := strings.IndexAny(text, "=!")
	if end < 0 {
		return m, "", fmt.Errorf(`%q is no condition: write it like job="a"`, text)
	}
	name := strings.TrimSpace(text[:end])
	if name == "" || strings.ContainsAny(name, `",{} `) {
		return m, "", fmt.Errorf("%q is not the name of a label", name)
	}
	for _, op := range operators {
		after, ok := strings.CutPrefix(text[end:], op.text)
		if !ok {
			continue
		}
		value, rest, err := parseValue(strings.TrimSpace(after))
		if err != nil {
			return m, "", err
		}
		compiled, err := labels.NewMatcher(op.kind, name, value)
		if err != nil {
			return m, "", fmt.Errorf("condition on %s: %w", name, err)
		}
		return compiled, rest, nil
	}
	return m, "", fmt.Errorf("condition on %s has none of =, !=, =~ and !~", name)
}

// parseValue reads a value, quoted or not, and returns what follows it.
func parseValue(text string) (value, rest string, err error) {
	if text == "" || !strings.ContainsRune("\"'`", rune(text[0])) {
		end := strings.IndexByte(text, ',')
		if end < 0 {
			end = len(text)
		}
		return strings.TrimSpace(text[:end]), text[end:], nil
	}
	end := closing(text)
	if end < 0 {
		return "", "", fmt.Errorf("value %s has no closing quote", text)
	}
	quoted := text[:end+1]
	if quoted[0] == '\'' {
		inner := strings.ReplaceAll(quoted[1:end], `\'`, `'`)
		quoted = `"` + strings.ReplaceAll(inner, `"`, `\"`) + `"`
	}
	if value, err = strconv.Unquote(quoted); err != nil {
		return "", "", fmt.Errorf("value %s is not quoted as it should be", text[:end+1])
	}
	return value, text[end+1:], nil
}

// closing returns the index of the quote that closes the one at the beginning
// of text, or -1.
func closing(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] != '`':
			i++
		case text[i] == text[0]:
			return i
		}
	}
	return -1
}
