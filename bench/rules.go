package main

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A rule is a relabelling rule that every collector understands. Empty fields
// are left to their defaults.
type rule struct {
	Action      string
	Source      []string
	Regex       string
	Target      string
	Replacement string
}

// relabelRules returns what configurations of the field do to a series, ten
// times over: eight of the testbed's 28 series are dropped, the rest is renamed
// and labelled. The last rule finds nothing, whatever the variant: it is there
// to be changed by a reload.
func relabelRules(variant int) []rule {
	return []rule{
		{Action: "drop", Source: []string{"__name__", "code"}, Regex: `app_http_requests_.*_total;404`},
		{Action: "drop", Source: []string{"device"}, Regex: `nvme[34]n1`},
		{Action: "drop", Source: []string{"__name__", "le"}, Regex: `app_request_duration_.*_bucket;(0\.005|0\.025|0\.1|0\.5)`},
		{Action: "replace", Source: []string{"route"}, Regex: `/api/v1/([a-z]+)/.*`, Target: "resource", Replacement: "$1"},
		{Action: "replace", Source: []string{"pod"}, Regex: `web-([0-9a-f]+)-(t[0-9]+)`, Target: "replica", Replacement: "$2"},
		{Action: "labeldrop", Regex: `pool`},
		{Action: "replace", Target: "environment", Replacement: "production"},
		{Action: "replace", Source: []string{"__name__"}, Regex: `node_(.*)`, Target: "__name__", Replacement: "host_$1"},
		{Action: "labelmap", Regex: `(method)`, Replacement: "http_$1"},
		{Action: "drop", Source: []string{"__name__"}, Regex: fmt.Sprintf(`canary_%d_.*`, variant)},
	}
}

// prometheus returns r as Prometheus reads it.
func (r rule) prometheus() *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action, c.TargetLabel = relabel.Action(r.Action), r.Target
	c.NameValidationScheme = model.UTF8Validation
	for _, name := range r.Source {
		c.SourceLabels = append(c.SourceLabels, model.LabelName(name))
	}
	if r.Regex != "" {
		c.Regex = relabel.MustNewRegexp(r.Regex)
	}
	if r.Replacement != "" {
		c.Replacement = r.Replacement
	}
	return &c
}

// kept returns how many samples of a target of the testbed with that many
// series pass the rules, by Prometheus' own relabelling. All targets are alike.
func kept(series int) (n int) {
	fleet := testbed.NewFleet(testbed.FleetConfig{Series: series - 1})
	var rules []*relabel.Config
	for _, r := range relabelRules(0) {
		rules = append(rules, r.prometheus())
	}
	p := textparse.NewPromParser(fleet.Exposition(0, 1), labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if err != nil {
			return n
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var of labels.Labels
		p.Labels(&of)
		if relabel.ProcessBuilder(labels.NewBuilder(of), rules...) {
			n++
		}
	}
}

// prometheusRules returns the rules as metric_relabel_configs holds them.
func prometheusRules(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "      - action: %s\n", r.Action)
		if r.Source != nil {
			fmt.Fprintf(&b, "        source_labels: [%s]\n", strings.Join(r.Source, ", "))
		}
		write := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "        %s: '%s'\n", name, value)
			}
		}
		write("regex", r.Regex)
		write("target_label", r.Target)
		write("replacement", r.Replacement)
	}
	return b.String()
}

// alloyRules returns the rules as prometheus.relabel holds them.
func alloyRules(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "  rule {\n    action = %q\n", r.Action)
		if r.Source != nil {
			fmt.Fprintf(&b, "    source_labels = [\"%s\"]\n", strings.Join(r.Source, `", "`))
		}
		write := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "    %s = %q\n", name, value)
			}
		}
		write("regex", r.Regex)
		write("target_label", r.Target)
		write("replacement", r.Replacement)
		b.WriteString("  }\n")
	}
	return b.String()
}
