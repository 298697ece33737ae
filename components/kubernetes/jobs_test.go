package kubernetes

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v2"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/kube/operator"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrapeOf reads a scrape configuration as the translator does.
func scrapeOf(t *testing.T, text string) *config.ScrapeConfig {
	t.Helper()
	var c config.ScrapeConfig
	if err := yaml.UnmarshalStrict([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(config.DefaultGlobalConfig); err != nil {
		t.Fatal(err)
	}
	return &c
}

// Whatever an object can say of scrapes gets to them.
func TestSettingsAreThoseOfTheScrapeConfiguration(t *testing.T) {
	c := scrapeOf(t, `
job_name: podMonitor/shop/web/0
honor_labels: true
honor_timestamps: false
track_timestamps_staleness: true
params: {module: [x, y]}
scrape_interval: 30s
scrape_timeout: 7s
scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]
fallback_scrape_protocol: PrometheusText1.0.0
scrape_native_histograms: true
always_scrape_classic_histograms: true
convert_classic_histograms_to_nhcb: true
extra_scrape_metrics: true
metrics_path: /m
scheme: https
enable_compression: false
body_size_limit: 1MB
sample_limit: 1
target_limit: 2
label_limit: 3
label_name_length_limit: 4
label_value_length_limit: 5
native_histogram_bucket_limit: 6
native_histogram_min_bucket_factor: 1.5
metric_name_validation_scheme: legacy
metric_name_escaping_scheme: dots
authorization: {credentials: hush}
proxy_url: http://proxy:1
`)
	got := settingsOf(c, scrapeOptions{HonorMetadata: true, TypeAndUnitLabels: true, StartTimestamps: true})
	want := scrape.Config{
		JobName: "podMonitor/shop/web/0", Interval: 30 * time.Second, Timeout: 7 * time.Second,
		MetricsPath: "/m", Scheme: "https", Params: map[string][]string{"module": {"x", "y"}},
		Protocols: []scrape.Protocol{scrape.PrometheusProto, scrape.OpenMetrics100}, Fallback: scrape.PrometheusText100,
		EscapingScheme: model.DotsEscaping,
		Rules: walk.Rules{
			ValidationScheme: model.LegacyValidation,
			HonorLabels:      true, TrackTimestamps: true, HonorMetadata: true,
			TypeAndUnitLabels: true, StartTimestamps: true, ExtraMetrics: true,
			Limits: walk.Limits{
				BodyBytes: 1 << 20, Samples: 1, Labels: 3, LabelNameLength: 4, LabelValueLength: 5,
				Buckets: 6, BucketFactor: 1.5,
			},
		},
		TargetLimit:      2,
		NativeHistograms: true, ClassicHistograms: true, ConvertToNHCB: true,
	}
	if got.HTTP.Authorization == nil || got.HTTP.ProxyURL.URL == nil {
		t.Errorf("the client's settings are %+v", got.HTTP)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(scrape.Config{}, "HTTP")); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// A job that has not changed is the same as before, so that its pool is left
// alone; of one whose targets changed the settings are.
func TestTranslationKeepsWhatHasNotChanged(t *testing.T) {
	sc := scrapeOf(t, "job_name: j\n")
	job := func(name, addr string) *operator.Job {
		return &operator.Job{Name: name, Scrape: sc, Targets: []operator.Target{{
			Labels: labels.FromStrings("__address__", addr), Own: labels.FromStrings("__address__", "own:"+addr, "__meta_x", "y"),
		}}}
	}
	a, b := job("a", "a:1"), job("b", "b:1")
	var tr translation
	first := tr.publish([]*operator.Job{a, b})
	second := tr.publish([]*operator.Job{a, job("b", "b:2")})
	switch {
	case first[0] != second[0]:
		t.Error("a job that has not changed is another one")
	case first[1] == second[1] || first[1].Settings != second[1].Settings:
		t.Error("a job with other targets must be another one with the same settings")
	case second[1].Targets[0].Get("__address__") != "b:2":
		t.Errorf("targets %v", second[1].Targets)
	case second[1].Foreign[0] != owner.StringKey(`{__address__="own:b:2"}`):
		t.Error("nodes of other software know it by another key")
	}
	if _, changed := tr.with(scrapeOptions{}); changed {
		t.Error("the same options change jobs")
	}
	third, changed := tr.with(scrapeOptions{HonorMetadata: true})
	if !changed || third[0].Settings == second[0].Settings || !third[0].Settings.Scrape.HonorMetadata {
		t.Error("other options do not get to the jobs")
	}
}

// What a page tells of a target's way ends where its scrape begins.
func TestStepsLeadToTheFinalLabels(t *testing.T) {
	sc := scrapeOf(t, `
job_name: podMonitor/shop/web/0
relabel_configs:
- {source_labels: [__meta_port], regex: http|admin, action: keep}
- {source_labels: [__address__], regex: '(.+):\d+', replacement: '$1:9090', target_label: __address__}
`)
	target := &operator.Target{
		Own:    labels.FromStrings("__address__", "10.0.0.1:80", "__meta_port", "http"),
		Shared: labels.FromStrings("__meta_pod", "web-0"),
	}
	before := (&operator.Job{Scrape: sc}).Before()(target)
	if before.Get("job") != "podMonitor/shop/web/0" || before.Get("__meta_pod") != "web-0" || before.Get("__scheme__") != "http" {
		t.Errorf("before the rules: %s", before)
	}
	got := steps(before, sc.RelabelConfigs)
	if len(got) != 2 || !got[0].Kept || got[1].Labels.Get("__address__") != "10.0.0.1:9090" {
		t.Errorf("steps %+v", got)
	}
	if want := `keep: [__meta_port] =~ "http|admin"`; got[0].Rule != want {
		t.Errorf("the rule reads %s; want %s", got[0].Rule, want)
	}
	drop := []*relabel.Config{{
		SourceLabels: model.LabelNames{"__meta_port"}, Regex: relabel.MustNewRegexp("http"), Action: relabel.Drop,
		NameValidationScheme: model.UTF8Validation,
	}}
	if got := steps(before, append(drop, sc.RelabelConfigs...)); len(got) != 1 || got[0].Kept {
		t.Errorf("dropped, but: %+v", got)
	}
}

func TestSummaryNamesWhatIsWrong(t *testing.T) {
	f := func(want string, wrong ...bool) {
		t.Helper()
		var objects []operator.ObjectStatus
		for i, is := range wrong {
			o := operator.ObjectStatus{Namespace: "n", Name: string(rune('a' + i))}
			if is {
				o.Err = errors.New("wrong")
			}
			objects = append(objects, o)
		}
		if got := summary("probes", objects); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f("following 0 probes")
	f("following 2 probes", false, false)
	f("following 2 probes, 1 of them wrong: n/b", false, true)
	f("following 5 probes, 5 of them wrong: n/a, n/b, n/c and 2 more", true, true, true, true, true)
}
