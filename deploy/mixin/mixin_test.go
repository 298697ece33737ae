package mixin

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"
)

var update = flag.Bool("update", false, "rewrite the dashboards")

// The files of the dashboards are what the table says.
func TestDashboardsAreWhatTheTableSays(t *testing.T) {
	for _, d := range Dashboards() {
		name := "dashboards/" + d.UID + ".json"
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the table says; run with -update (-want +got):\n%s", name, diff)
		}
	}
}

// Panels have a place, and no two the same.
func TestPanelsDoNotOverlap(t *testing.T) {
	boards, err := shown()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boards {
		taken := map[[2]int]string{}
		for _, p := range b.Panels {
			g := p.GridPos
			if g.W == 0 || g.H == 0 || g.X+g.W > columns {
				t.Errorf("%s: %s is at %+v", b.UID, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: %s lies on %s", b.UID, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// Every expression parses, and is recorded only if it is asked for twice.
func TestRecordedIsAskedForTwice(t *testing.T) {
	list, err := expressions()
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	for _, e := range list {
		parser.Inspect(e.parsed, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok {
				asked[s.Name]++
			}
			return nil
		})
	}
	for _, e := range list {
		if e.record != "" && asked[e.record] < 2 {
			t.Errorf("%s is asked for %d times: write it where it is", e.record, asked[e.record])
		}
	}
}

// Every alert says how bad it is, what it is, and where to read what to do, and
// is neither hasty nor slow.
func TestAlertsAreComplete(t *testing.T) {
	runbooks, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := rules("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		if s := a.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has severity %q", a.Alert, s)
		}
		if d, err := time.ParseDuration(a.For); err != nil || d < 5*time.Minute || d > 15*time.Minute {
			t.Errorf("%s fires after %q; want 5 to 15 minutes", a.Alert, a.For)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s says nothing", a.Alert)
		}
		const docs = "https://github.com/divvy-collector/divvy/blob/main/docs/runbooks.md#"
		if a.Annotations["runbook_url"] != docs+strings.ToLower(a.Alert) {
			t.Errorf("%s has runbook_url %s", a.Alert, a.Annotations["runbook_url"])
		}
		if !strings.Contains(string(runbooks), "\n## "+a.Alert+"\n") {
			t.Errorf("docs/runbooks.md has no chapter %s", a.Alert)
		}
	}
}

// Every alert is seen to fire by promtool, in a test in which it is quiet at
// another time.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	alerts, err := rules("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			PromQL []struct {
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, test := range file.Tests {
		fired, quiet := "", false
		for _, at := range test.PromQL {
			quiet = quiet || len(at.Samples) == 0
			for _, s := range at.Samples {
				fired += s.Labels
			}
		}
		for _, a := range alerts {
			if quiet && strings.Contains(fired, `alertname="`+a.Alert+`"`) {
				tested[a.Alert] = true
			}
		}
	}
	for _, a := range alerts {
		if !tested[a.Alert] {
			t.Errorf("alerts_test.yaml does not test %s both ways", a.Alert)
		}
	}
}

// What is not exposed is found: metrics, values of labels, and labels.
func TestMissingIsNamed(t *testing.T) {
	exposed := Metrics{
		"a": {labels.FromStrings("state", "x", "peer", "p"), labels.FromStrings("state", "y")},
		"b": {labels.FromStrings("component", "s")},
	}
	f := func(expr, legend, want string) {
		t.Helper()
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			t.Fatal(err)
		}
		c := &checker{exposed: exposed}
		has := c.labels(parsed)
		for _, name := range named(legend) {
			if !has[name] {
				c.complain("no %s", name)
			}
		}
		if got := strings.TrimPrefix(strings.Join(c.missing, "|: "), ": "); got != want {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
	f(`sum by (state, job) (rate(a{state="x", cluster=~".*"}[5m]))`, "{{state}} {{ job }}", "")
	f(`c`, "", "c is not exposed")
	f(`a{state="z"}`, "", `no series matches a{state="z"}`)
	f(`a{state="y"}`, "{{peer}}", "no peer")
	f(`a{peer!=""}`, "$labels.peer and {{ $labels.state }}", "")
	f(`sum by (component) (a)`, "", "nothing in a has a label component")
	f(`sum without (state) (a)`, "{{state}}{{peer}}", "no state")
	f(`max(a) / max(b)`, "{component}", "no component")
	f(`b * on (instance) group_left (state) a`, "{{component}} {{state}}", "")
	f(`b * on (instance) group_left (zone) a`, "", "neither side of b * on (instance) group_left (zone) a has a label zone")
	f(`b + on (instance, component) a`, "{{instance}} {{state}}", "no state")
}

// The queries of a dashboard name no node, cluster or data source.
func TestDashboardsAreForEverybody(t *testing.T) {
	for _, d := range Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range d.Rows {
			for _, p := range r.Panels {
				if !slices.ContainsFunc(p.Queries, func(q Query) bool { return strings.Contains(q.Expr, "$cluster") || strings.Contains(q.Expr, "SEL") }) {
					t.Errorf("%s: %s does not follow the variables", d.UID, p.Title)
				}
			}
		}
		if n := strings.Count(string(text), `"uid": "${datasource}"`); n < 10 || strings.Contains(string(text), "SEL") {
			t.Errorf("%s has %d data sources that can be chosen", d.UID, n)
		}
	}
}
