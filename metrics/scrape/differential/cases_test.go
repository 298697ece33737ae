package differential

import (
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/divvy-collector/divvy/metrics/scrape"
)

func TestTextEqualsPrometheus(t *testing.T) {
	compare(t, nil,
		text("# HELP x the x", "# TYPE x counter", `x{a="b"} 1`, `x{a="c"} 2.5e3`, "y NaN", "z +Inf"),
		text("# HELP x the x", "# TYPE x counter", `x{a="b"} 2`, `x{a="c"} 2.5e-3`, "y 1", "z -Inf"),
		text("z 0x10", "y 1"), // a parse error
		text(`x{a="c"} 7`, "y 1"),
		text("y 1", `x{a="c"} 8`, `x{a="b"} 9`, "new 1"),
		text(),
		text("y 1", "", "  ", "# a comment", "x 1"),
	)
}

func TestCompressionEqualsPrometheus(t *testing.T) {
	off := with("enable_compression: false", func(c *scrape.Config) { c.Compression = false })
	compare(t, []setting{off}, text("x 1"), text("x 2"))
}

func TestBoundariesEqualPrometheus(t *testing.T) {
	compare(t, nil,
		text("# TYPE h histogram", `h_bucket{le="1"} 1`, `h_bucket{le="1.0"} 1`, `h_bucket{le="+Inf"} 2`, "h_sum 3", "h_count 2",
			"# TYPE s summary", `s{quantile="0.50"} 1`, `s{quantile="1"} 1`, `other{le="1"} 1`),
		text("# TYPE h untyped", `h_bucket{le="1"} 1`, `h_bucket{le="5"} 1`),
	)
}

func TestNamesEqualPrometheus(t *testing.T) {
	script := []answer{
		text(`{"a.b",c="d"} 1`, `{"a.b", "c.d"="e\"f\\g\nh"} 1`, `x{c="\x"} 2`),
		text(`x{é="d"} 1`), text(` lead 1`), text(`x{a="1",a="2"} 1`), text(`x{a=""} 1`, "y 1"), text("x 1"),
	}
	compare(t, nil, script...)
	legacy := with("metric_name_validation_scheme: legacy", func(c *scrape.Config) {
		c.ValidationScheme, c.EscapingScheme = model.LegacyValidation, model.UnderscoreEscaping
	})
	compare(t, []setting{legacy}, script...)
}

func TestHonorLabelsEqualsPrometheus(t *testing.T) {
	script := []answer{
		text(`x{job="mine",instance="me",exported_job="theirs"} 1`, `y{job=""} 1`, "z 1"),
		text(`x{job="mine",exported_exported_job="a",exported_job="b"} 1`),
	}
	compare(t, nil, script...)
	compare(t, []setting{with("honor_labels: true", func(c *scrape.Config) { c.HonorLabels = true })}, script...)
}

func TestTimestampsEqualPrometheus(t *testing.T) {
	script := []answer{
		text("x 1 1000", "y 1", "z 1 1000"),
		text("x 2 2000", "y 1 2000", "z 1 1000"),
		text("x 3 1500", "y 2", "far 1 99999999999999"),
		text("z 4 4000", "z 5 5000", "far 2"),
		text("far 1 99999999999999"),
		text("z 6"),
	}
	compare(t, nil, script...)
	compare(t, []setting{with("honor_timestamps: false", func(c *scrape.Config) { c.HonorTimestamps = false })}, script...)
	// A series that comes back with a timestamp before its own marker is not
	// told apart from a new one: its target remembers it no more.
	compare(t, []setting{with("track_timestamps_staleness: true", func(c *scrape.Config) { c.TrackTimestamps = true })}, script[:3]...)
}

func TestDuplicatesEqualPrometheus(t *testing.T) {
	compare(t, nil,
		text("x 1", "x 2", `y{a="1",b="2"} 1`, `y{b="2",a="1"} 2`, "z 1"),
		text("x 1", "x 2", `y{a="1",b="2"} 1`, `y{b="2",a="1"} 2`, "z 1"),
		text("x 3", `y{a="1",b="2"} 4`, "z 1"),
		text(`y{a="1",b="2"} 1`, `y{b="2",a="1"} 2`, "z 1", "x 3", "x 4"),
		text("z 1", "z 1", "z 1"),
	)
}

func TestOrderDoesNotMatter(t *testing.T) {
	compare(t, nil,
		text("a 1", "b 1", "c 1", "d 1"), text("d 2", "c 2", "b 2", "a 2"), text("b 3", "a 3", "b 4", "d 3"),
		text("a 1", "e 1", "b 1", "f 1", "c 1", "d 1"), text("f 1", "a 1"),
	)
}

func TestDyingTargetEqualsPrometheus(t *testing.T) {
	good := text("x 1", "y 1")
	compare(t, nil,
		answer{status: 503}, good, answer{status: 500}, answer{status: 404}, good,
		answer{drop: true}, good, answer{stall: true}, good, answer{}, good, answer{media: mediaText}, good,
	)
}

func TestContentTypesEqualPrometheus(t *testing.T) {
	script := []answer{
		{body: "x 1\n", media: mediaText}, {body: "x 2\n# EOF\n"}, {body: "x 3\n# EOF\n", media: "text/html"},
		{body: "x 4\n# EOF\n", media: ";;"}, {body: "x 5", media: "text/plain"}, {body: "# TYPE x gauge\n", media: mediaOM},
		{body: "x 7\n# EOF\n", media: mediaOM}, {body: "x 8\n", media: mediaProto},
	}
	compare(t, nil, script...)
	text := with("fallback_scrape_protocol: PrometheusText0.0.4", func(c *scrape.Config) { c.Fallback = scrape.PrometheusText004 })
	compare(t, []setting{text}, script...)
	om := with("fallback_scrape_protocol: OpenMetricsText1.0.0", func(c *scrape.Config) { c.Fallback = scrape.OpenMetrics100 })
	compare(t, []setting{om}, script...)
}

func TestLimitsEqualPrometheus(t *testing.T) {
	f := func(yaml string, ours func(*scrape.Config), script ...answer) {
		t.Helper()
		compare(t, []setting{with(yaml, ours)}, script...)
	}
	f("sample_limit: 2", func(c *scrape.Config) { c.Limits.Samples = 2 },
		text("x 1", "y 1"), text("x 1", "x 2", "y 1"), text("x 1"))
	f("label_limit: 4", func(c *scrape.Config) { c.Limits.Labels = 4 },
		text(`x{a="1"} 1`), text(`x{a="1",b="2"} 1`), text("x 1"))
	f("label_name_length_limit: 9", func(c *scrape.Config) { c.Limits.LabelNameLength = 9 },
		text(`x{a="1"} 1`), text(`x{aaaaaaaaaa="1"} 1`), text("x 1"))
	f("label_value_length_limit: 9", func(c *scrape.Config) { c.Limits.LabelValueLength = 9 },
		text(`x{a="1"} 1`), text(`x{a="aaaaaaaaaa"} 1`), text("x 1"))
	f("body_size_limit: 64B", func(c *scrape.Config) { c.Limits.BodyBytes = 64 },
		text("x 1"), text("x 1", strings.Repeat("# a long comment\n", 10)), text("x 1"))
	f("target_limit: 1", func(c *scrape.Config) { c.TargetLimit = 1 }, text("x 1"), text("x 1"))
}

func TestExtraMetricsEqualPrometheus(t *testing.T) {
	compare(t, []setting{
		with("extra_scrape_metrics: true", func(c *scrape.Config) { c.ExtraMetrics = true }),
		with("sample_limit: 7", func(c *scrape.Config) { c.Limits.Samples = 7 }),
		with("body_size_limit: 64B", func(c *scrape.Config) { c.Limits.BodyBytes = 64 }),
	}, text("x 1"), text("x 1", strings.Repeat("# a long comment\n", 10)), answer{status: 500}, answer{drop: true}, text("x 1"))
}

func TestOpenMetricsEqualsPrometheus(t *testing.T) {
	compare(t, nil,
		om("# TYPE x counter", "# UNIT x_seconds seconds", `x_total{a="b"} 1 # {trace="1"} 0.5`, "x_created 1e3", "# TYPE g gauge", "g 1 2.5"),
		om("# TYPE x counter", `x_total{a="b"} 2 # {trace="2"} 0.5 3`, "x_created 1e3", "# TYPE g gauge", "g 1 3.5"),
		om("# TYPE x counter", `x_total{a="b"} 2 # {trace="2"} 0.5 3`, "# TYPE g gauge", "g 1 4.5"),
		om("# TYPE x counter", `x_total{a="b"} 2 # {trace="1"} 0.5 2`, "# TYPE g gauge", "g 2"),
		answer{media: mediaOM, body: "# TYPE g gauge\n"}, // no EOF
		om("# TYPE h histogram", `h_bucket{le="1"} 1 # {t="a"} 1 1`, `h_bucket{le="+Inf"} 1 # {t="b"} 2 1`, "h_sum 1", "h_count 1"),
		om("# TYPE i info", `i_info{v="1"} 1`, "# TYPE s stateset", `s{s="a"} 1`, `s{s="b"} 0`),
	)
}

func TestMetadataEqualsPrometheus(t *testing.T) {
	md := optional(func(o *promscrape.Options) { o.AppendMetadata = true }, func(c *scrape.Config) { c.HonorMetadata = true })
	compare(t, []setting{md},
		text("# HELP x the \\\\ x", "# TYPE x counter", `x{a="b"} 1`, `x{a="c"} 1`, "y 1"),
		text("# HELP x another x", "# TYPE x counter", `x{a="b"} 1`, `x{a="c"} 1`, "y 1"),
		text("# HELP x another x", "# TYPE x gauge", `x{a="b"} 1`, `x{a="c"} 1`, "y 1"),
		text("# TYPE h histogram", `h_bucket{le="1"} 1`, "h_sum 1", "h_count 1", "h_other 1", "# TYPE c_total counter", "c_total 1"),
	)
	compare(t, []setting{md},
		om("# TYPE x_seconds counter", "# UNIT x_seconds seconds", "# HELP x_seconds the x", "x_seconds_total 1"),
		om("# TYPE x_seconds counter", "# UNIT x_seconds seconds", "# HELP x_seconds other", "x_seconds_total 1"),
	)
}

func TestTypeAndUnitLabelsEqualPrometheus(t *testing.T) {
	on := optional(func(o *promscrape.Options) { o.EnableTypeAndUnitLabels = true }, func(c *scrape.Config) { c.TypeAndUnitLabels = true })
	compare(t, []setting{on},
		text("# TYPE x counter", "x 1", "y 2"), om("# TYPE x_seconds counter", "# UNIT x_seconds seconds", "x_seconds_total 1"), text("x 1"))
}

func TestClassicConversionEqualsPrometheus(t *testing.T) {
	on := with("convert_classic_histograms_to_nhcb: true", func(c *scrape.Config) { c.ConvertToNHCB = true })
	classic := with("always_scrape_classic_histograms: true", func(c *scrape.Config) { c.ClassicHistograms = true })
	script := []answer{
		text("# TYPE h histogram", `h_bucket{le="1"} 1`, `h_bucket{le="2"} 2`, `h_bucket{le="+Inf"} 2`, "h_sum 3", "h_count 2", "y 1"),
		text("# TYPE h histogram", `h_bucket{le="1"} 2`, `h_bucket{le="2"} 3`, `h_bucket{le="+Inf"} 3`, "h_sum 4", "h_count 3", "y 1"),
		text("y 1"),
	}
	compare(t, []setting{on}, script...)
	compare(t, []setting{on, classic}, script...)
}
