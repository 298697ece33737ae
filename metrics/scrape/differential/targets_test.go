package differential

import (
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
)

// choices are values that labels of a discovered target may have; the first
// is as good as none.
var choices = map[string][]string{
	"__address__":         {"", "a:80", "a", "[::1]:9090", "a/b", "A:443"},
	"__scheme__":          {"", "https", "HTTP"},
	"__metrics_path__":    {"", "/m", "m", "/a b?c"},
	"__param_x":           {"", "1", "a&b"},
	"__param_y":           {"", "2"},
	"__scrape_interval__": {"", "1m", "5s", "0s", "5", "-1s"},
	"__scrape_timeout__":  {"", "1s", "2m", "0s", "x"},
	"__meta_pod":          {"", "p"},
	"__tmp":               {"", "t"},
	"job":                 {"", "k"},
	"instance":            {"", "i"},
	"zone":                {"", "z", "\xff"},

	"__convert_classic_histograms_to_nhcb__": {"", "true", "maybe"},
}

// A target that was discovered has the labels and the URL that Prometheus
// gives it, or is refused where Prometheus refuses it.
func TestTargetsEqualPrometheus(t *testing.T) {
	full, err := config.Load("scrape_configs:\n- job_name: j\n  scrape_interval: 30s\n  params: {x: [p, q], z: [r]}\n", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ours := ourConfig()
	ours.Interval, ours.Timeout = 3*interval, interval
	ours.Params = map[string][]string{"x": {"p", "q"}, "z": {"r"}}
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		found := map[string]string{}
		theirs := model.LabelSet{}
		for name, list := range choices {
			v := list[r.IntN(len(list))]
			if name == "__address__" && r.IntN(4) > 0 {
				v = "a:80"
			}
			if v != "" {
				found[name], theirs[model.LabelName(name)] = v, model.LabelValue(v)
			}
		}
		want := theirTargets(full.ScrapeConfigs[0], theirs)
		got := ourTargets(t, ours, labels.FromMap(found))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("target %v (-Prometheus +ours):\n%s", found, diff)
		}
	}
}

// theirTargets returns labels and URL of a target, or nothing.
func theirTargets(cfg *config.ScrapeConfig, found model.LabelSet) []string {
	b := labels.NewBuilder(labels.EmptyLabels())
	list, _ := promscrape.TargetsFromGroup(&targetgroup.Group{Targets: []model.LabelSet{found}}, cfg, nil, b)
	var out []string
	for _, x := range list {
		out = append(out, x.Labels(b).String()+" "+x.URL().String())
	}
	return out
}

func ourTargets(t *testing.T, cfg scrape.Config, found telemetry.Target) []string {
	t.Helper()
	pool, err := scrape.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool.SetTargets([]telemetry.Target{found})
	var out []string
	for _, x := range pool.Targets() {
		out = append(out, x.Labels.String()+" "+x.URL)
	}
	return out
}
