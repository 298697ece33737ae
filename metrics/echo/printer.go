package echo

import (
	"bufio"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/telemetry"
)

// A printer writes one batch. Errors stay in the writer until it is flushed.
type printer struct {
	w      *bufio.Writer
	format Format
	last   string // family whose comments were written last
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// family writes what is known of a series' family, unless that has just been
// done.
func (p *printer) family(k *known) {
	name := k.md.Family
	if name == "" || name == p.last {
		return
	}
	p.last = name
	if k.md.Help != "" {
		fmt.Fprintf(p.w, "# HELP %s %s\n", name, helpEscaper.Replace(k.md.Help))
	}
	if k.md.Type != "" {
		fmt.Fprintf(p.w, "# TYPE %s %s\n", name, p.typeName(k.md.Type))
	}
	if k.md.Unit != "" && p.format == OpenMetrics {
		fmt.Fprintf(p.w, "# UNIT %s %s\n", name, k.md.Unit)
	}
}

// typeName returns a type as the format spells it: the text format has fewer.
func (p *printer) typeName(t model.MetricType) string {
	if p.format == OpenMetrics {
		return string(t)
	}
	switch t {
	case model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary:
		return string(t)
	case model.MetricTypeInfo, model.MetricTypeStateset:
		return string(model.MetricTypeGauge)
	case model.MetricTypeGaugeHistogram:
		return string(model.MetricTypeHistogram)
	}
	return "untyped"
}

// sample writes one line.
func (p *printer) sample(lset telemetry.Labels, v telemetry.Sample, e *exemplar.Exemplar) {
	if value.IsStaleNaN(v.V) {
		p.w.WriteString("# stale: ")
		p.name(lset)
		fmt.Fprintf(p.w, " %s\n", p.time(v.T))
		return
	}
	p.name(lset)
	fmt.Fprintf(p.w, " %s %s", number(v.V), p.time(v.T))
	if e != nil && p.format == OpenMetrics {
		p.w.WriteString(" # {")
		p.labels(e.Labels, false)
		fmt.Fprintf(p.w, "} %s", number(e.Value))
		if e.HasTs {
			p.w.WriteString(" " + p.time(e.Ts))
		}
	}
	p.w.WriteByte('\n')
}

// histogram writes a native histogram, which neither format has.
func (p *printer) histogram(lset telemetry.Labels, h telemetry.HistogramSample) {
	var text string
	var sum float64
	if h.FH != nil {
		text, sum = h.FH.String(), h.FH.Sum
	} else {
		text, sum = h.H.String(), h.H.Sum
	}
	if value.IsStaleNaN(sum) {
		p.w.WriteString("# stale: ")
		p.name(lset)
		fmt.Fprintf(p.w, " %s\n", p.time(h.T))
		return
	}
	p.w.WriteString("# native histogram: ")
	p.name(lset)
	fmt.Fprintf(p.w, " %s %s\n", text, p.time(h.T))
}

// name writes the name and the labels of a series: name{a="b"}, or
// {"a name",a="b"} where the name needs quotes.
func (p *printer) name(lset telemetry.Labels) {
	name := nameOf(lset)
	plain := model.LegacyValidation.IsValidMetricName(name)
	if plain {
		p.w.WriteString(name)
		if lset.Len() == 1 {
			return
		}
	}
	p.w.WriteByte('{')
	if !plain {
		fmt.Fprintf(p.w, `"%s"`, valueEscaper.Replace(name))
	}
	p.labels(lset, !plain)
	p.w.WriteByte('}')
}

// labels writes the labels other than the name. comma says that something is
// before them.
func (p *printer) labels(lset telemetry.Labels, comma bool) {
	lset.Range(func(l labels.Label) {
		if l.Name == model.MetricNameLabel {
			return
		}
		if comma {
			p.w.WriteByte(',')
		}
		comma = true
		name := l.Name
		if !model.LegacyValidation.IsValidLabelName(name) {
			name = `"` + valueEscaper.Replace(name) + `"`
		}
		fmt.Fprintf(p.w, `%s="%s"`, name, valueEscaper.Replace(l.Value))
	})
}

// end closes the batch.
func (p *printer) end() {
	if p.format == OpenMetrics {
		p.w.WriteString("# EOF\n")
	}
}

// time returns a timestamp, Unix milliseconds, in the unit of the format.
func (p *printer) time(ms int64) string {
	if p.format == OpenMetrics {
		return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64)
	}
	return strconv.FormatInt(ms, 10)
}

// number writes a value; both formats spell infinity and NaN this way.
func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.IsNaN(v):
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
