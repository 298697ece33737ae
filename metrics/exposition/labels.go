package exposition

import (
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Labels returns the labels of a Series line, the metric's name among them.
// metric is the type that the last Type line before it gave: the boundaries of
// histograms and summaries are written in one way, whatever way the target
// chose ("1" becomes "1.0"). b is scratch space.
func (l *Line) Labels(metric model.MetricType, b *labels.ScratchBuilder) labels.Labels {
	text := string(l.Text) // one copy that all the strings share
	b.Reset()
	b.Add(model.MetricNameLabel, unescape(text[l.name.from:l.name.to]))
	for _, p := range l.pairs {
		name := unescape(text[p.name.from:p.name.to])
		b.Add(name, boundary(metric, name, unescape(text[p.value.from:p.value.to])))
	}
	b.Sort()
	return b.Labels()
}

var escapes = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n")

// unescape replaces the three escapes of the text format; others stay.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return escapes.Replace(s)
}

// boundary returns the value of a label, in the one way of writing it if it is
// a boundary of a bucket or a quantile.
func boundary(metric model.MetricType, name, val string) string {
	isBucket := metric == model.MetricTypeHistogram && name == model.BucketLabel
	isQuantile := metric == model.MetricTypeSummary && name == model.QuantileLabel
	if !isBucket && !isQuantile {
		return val
	}
	f, err := strconv.ParseFloat(val, 64)
	if err != nil {
		return val
	}
	return labels.FormatOpenMetricsFloat(f)
}

// suffixes are those that the series of a family add to its name.
var suffixes = map[model.MetricType][]string{
	model.MetricTypeCounter:        {"_total"},
	model.MetricTypeHistogram:      {"_bucket", "_sum", "_count"},
	model.MetricTypeGaugeHistogram: {"_bucket", "_gsum", "_gcount"},
	model.MetricTypeSummary:        {"_sum", "_count"},
	model.MetricTypeInfo:           {"_info"},
}

// InFamily reports whether the series called name belongs to the family of
// this name and type. Text does not say so itself: a TYPE line may be
// followed by anything.
func InFamily(name, family string, metric model.MetricType) bool {
	if metric == model.MetricTypeCounter || metric == model.MetricTypeInfo {
		// The text format has the suffix in the family's name too.
		family = strings.TrimSuffix(family, suffixes[metric][0])
	}
	rest, ok := strings.CutPrefix(name, family)
	if !ok {
		return false
	}
	if rest == "" {
		return true
	}
	for _, s := range suffixes[metric] {
		if rest == s {
			return true
		}
	}
	return false
}
