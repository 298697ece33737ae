package operator

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"

	"github.com/divvy-collector/divvy/kube/operator/sources"
)

// scrapeOf reads a scrape configuration with defaults applied.
func scrapeOf(t testing.TB, text string) *config.ScrapeConfig {
	t.Helper()
	c := &config.ScrapeConfig{}
	if err := yaml.UnmarshalStrict([]byte("{job_name: j, "+text+"}"), c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(config.DefaultGlobalConfig); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTargetsAreWhatTheRulesLeave(t *testing.T) {
	f := func(rules string, shared, own labels.Labels, want string) {
		t.Helper()
		r := newRelabeller(scrapeOf(t, "params: {a: [b]}, relabel_configs: ["+rules+"]"))
		out, err := r.group(&sources.Group{Shared: shared, Targets: []labels.Labels{own}})
		got := fmt.Sprint(err)
		if len(out) > 0 {
			got = ""
			for _, name := range []string{"__address__", "__scheme__", "__metrics_path__", "__param_a", "__scrape_interval__", "job", "instance"} {
				got += out[0].Labels.Get(name) + " "
			}
			out[0].Labels.Range(func(l labels.Label) {
				if l.Name == "__meta_x" || l.Name == "__tmp_x" {
					t.Errorf("%s has label %s", out[0].Labels, l.Name)
				}
			})
		}
		if got != want {
			t.Errorf("%s: %q; want %q", rules, got, want)
		}
	}
	l := labels.FromStrings
	f("", l("__meta_x", "1"), l("__address__", "h:1"), "h:1 http /metrics b 1m j h:1 ")
	f("", l("job", "group"), l("__address__", "h:1", "__scheme__", "https", "instance", "i"), "h:1 https /metrics b 1m group i ")
	f("", l("job", "group"), l("__address__", "h:1", "job", "own"), "h:1 http /metrics b 1m own h:1 ")
	f("{target_label: __tmp_x, replacement: y}", l(), l("__address__", "h:1"), "h:1 http /metrics b 1m j h:1 ")
	f("{target_label: __scrape_interval__, replacement: 30s}", l(), l("__address__", "h:1"), "h:1 http /metrics b 30s j h:1 ")
	f("{action: drop, source_labels: [__meta_x], regex: 1}", l("__meta_x", "1"), l("__address__", "h:1"), "<nil>")
	f("{action: keep, source_labels: [__meta_x], regex: 1}", l("__meta_x", "1"), l("__address__", "h:1", "__meta_x", "2"), "<nil>")
	f("", l(), l("job", "x"), "a target has no address")
	f("", l(), l("__address__", "http://h/"), `"http://h/" is not a valid hostname`)
	f("{target_label: __scrape_interval__, replacement: often}", l(), l("__address__", "h"), `read scrape interval of target h: not a valid duration string: "often"`)
	f("{target_label: __scrape_timeout__, replacement: 2m}", l(), l("__address__", "h"), "target h: scrape interval 1m and timeout 2m do not fit")
	f("{target_label: __scrape_timeout__, replacement: x}", l(), l("__address__", "h"), `read scrape timeout of target h: not a valid duration string: "x"`)
}

// Asking some rules first changes nothing: with seeded rules and targets, the
// filter drops nothing that the rules keep.
func TestFilterDropsOnlyWhatRulesDrop(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rnd.IntN(len(s))] }
	dropped := 0
	for range 3000 {
		text := ""
		for range 1 + rnd.IntN(5) {
			text += fmt.Sprintf("{source_labels: [%s, %s], %s}, ",
				pick("__meta_a", "__meta_b", "c"), pick("__meta_a", "__meta_b"),
				pick("action: keep, regex: 1;1", "action: keep, regex: 1;.*", "action: drop, regex: .*;2", "action: drop, regex: c;1",
					"target_label: __meta_a, replacement: 1", "target_label: c, replacement: $1, regex: (.);.*",
					"target_label: __meta_$2, regex: (.);(.), replacement: 2", "action: hashmod, modulus: 2, target_label: __meta_b",
					"action: lowercase, target_label: __meta_b"))
		}
		text += pick("", "{action: labelmap, regex: __meta_(.), replacement: __meta_b}, {action: keep, source_labels: [__meta_b], regex: 1}",
			"{action: labeldrop, regex: __meta_a}, {action: drop, source_labels: [__meta_a], regex: 1}")
		c := scrapeOf(t, "relabel_configs: ["+text+"]")
		r := newRelabeller(c)
		for range 5 {
			g := &sources.Group{Shared: labels.FromStrings("__meta_a", pick("1", "2"), "c", pick("1", "c"))}
			for range 2 {
				own := labels.FromStrings("__address__", "h")
				if rnd.IntN(2) == 0 {
					own = labels.FromStrings("__address__", "h", "__meta_b", pick("1", "2"))
				}
				g.Targets = append(g.Targets, own)
			}
			got, err := r.group(g)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, own := range g.Targets {
				b := labels.NewBuilder(g.Shared)
				own.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
				if relabel.ProcessBuilder(b, c.RelabelConfigs...) {
					want++
				}
			}
			if len(got) != want {
				t.Fatalf("%s\n%v %v: %d targets; want %d", text, g.Shared, g.Targets, len(got), want)
			}
			dropped += 2 - want
		}
	}
	if dropped == 0 || dropped == 3000*5*2 {
		t.Errorf("%d targets were dropped: the test shows nothing", dropped)
	}
}
