package mixin

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"
)

// An expression is something that the mixin asks Prometheus for.
type expression struct {
	where  string // what asks
	record string // the name under which it is recorded, if it is
	names  []string
	parsed parser.Expr
}

// A ruleFile is a file of rules, as far as they are checked.
type ruleFile struct {
	Groups []struct{ Rules []rule }
}

// A rule is an alert or a recording rule.
type rule struct {
	Alert, Record, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// rules returns the rules of a file.
func rules(file string) ([]rule, error) {
	text, err := Files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var f ruleFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	var list []rule
	for _, g := range f.Groups {
		list = append(list, g.Rules...)
	}
	return list, nil
}

// expressions returns all of the alerts, the recording rules and the dashboards.
func expressions() ([]expression, error) {
	var list []expression
	add := func(where, record, text, words string) error {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(placeholders.Replace(text))
		if err != nil {
			return fmt.Errorf("parse the expression of %s: %w", where, err)
		}
		list = append(list, expression{where, record, named(words), parsed})
		return nil
	}
	for _, file := range []string{"alerts.yaml", "rules.yaml"} {
		all, err := rules(file)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if err := add(r.Alert+r.Record, r.Record, r.Expr, r.Annotations["summary"]+r.Annotations["description"]); err != nil {
				return nil, err
			}
		}
	}
	boards, err := shown()
	if err != nil {
		return nil, err
	}
	for _, b := range boards {
		for _, p := range b.Panels {
			for _, t := range p.Targets {
				if err := add(b.UID+" "+p.Title, "", t.Expr, t.LegendFormat); err != nil {
					return nil, err
				}
			}
		}
	}
	return list, nil
}

// A board is a dashboard as its file has it, as far as it is checked.
type board struct {
	UID    string
	Panels []struct {
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }
	}
}

// shown returns the dashboards as they are in their files.
func shown() ([]board, error) {
	entries, err := Files.ReadDir("dashboards")
	if err != nil {
		return nil, fmt.Errorf("list dashboards: %w", err)
	}
	var boards []board
	for _, e := range entries {
		text, err := Files.ReadFile("dashboards/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read dashboard: %w", err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			return nil, fmt.Errorf("parse %s: %w", e.Name(), err)
		}
		boards = append(boards, b)
	}
	return boards, nil
}

// label is how alerts and legends name a label of the result.
var label = regexp.MustCompile(`\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}|^\{(\w+)\}$`)

// named returns the labels that a text shows.
func named(text string) (names []string) {
	for _, m := range label.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2] + m[3]; name != "end" { // of a template's with
			names = append(names, name)
		}
	}
	return names
}
