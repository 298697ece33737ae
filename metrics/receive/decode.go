package receive

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// A request is what a body says, whatever its version.
type request struct {
	series   []series
	families []telemetry.Metadata // of version 1.0: by family, apart from the series
	faults   []error              // of series that are left out; the first few
	faulty   int                  // how many series are left out, or lack an exemplar
}

// A series is one series of a request. Times are Unix milliseconds.
type series struct {
	labels     telemetry.Labels
	md         *telemetry.Metadata // nil if the request does not say
	samples    []sample
	histograms []telemetry.HistogramSample // without handles
	exemplars  []exemplar.Exemplar
}

// A sample is one value of a series.
type sample struct {
	t, start int64 // start is 0 if unknown
	v        float64
}

const (
	maxFaults     = 5       // named in an answer
	maxLabelBytes = 1 << 20 // of a name or a value
)

// fault leaves something of a request out, and says why in the answer.
func (r *request) fault(err error) {
	r.faulty++
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, err)
	}
}

// err returns what is wrong with the request, or nil.
func (r *request) err() error {
	if r.faulty == 0 {
		return nil
	}
	return fmt.Errorf("%d series not taken whole: %w", r.faulty, errors.Join(r.faults...))
}

// A labelSet builds the labels of series one after the other, within bounds.
type labelSet struct {
	builder labels.ScratchBuilder
	left    int // bytes of labels that the request may still have
}

// reset begins another set.
func (b *labelSet) reset() { b.builder.Reset() }

// add checks and adds one label. An empty value is the absence of the label.
func (b *labelSet) add(name, value string) error {
	switch {
	case len(name) > maxLabelBytes || len(value) > maxLabelBytes:
		return fmt.Errorf("a label of more than %d bytes", maxLabelBytes)
	case !model.UTF8Validation.IsValidLabelName(name):
		return fmt.Errorf("label name %q is not valid", name)
	case !utf8.ValidString(value):
		return fmt.Errorf("value %q of label %s is not valid UTF-8", value, name)
	}
	if b.left -= len(name) + len(value); b.left < 0 {
		return errTooLarge
	}
	if value != "" {
		b.builder.Add(name, value)
	}
	return nil
}

// labels returns the sorted set of what was added since reset.
func (b *labelSet) labels() (telemetry.Labels, error) {
	b.builder.Sort()
	lset := b.builder.Labels()
	if name, twice := lset.HasDuplicateLabelNames(); twice {
		return lset, fmt.Errorf("label %s twice in %s", name, lset)
	}
	return lset, nil
}

// metric is labels for a series, which must have a name.
func (b *labelSet) metric() (telemetry.Labels, error) {
	lset, err := b.labels()
	if err == nil && !lset.Has(model.MetricNameLabel) {
		return lset, fmt.Errorf("no metric name in %s", lset)
	}
	return lset, err
}

// withType returns lset with the labels __type__ and __unit__ of md.
func withType(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Labels {
	b := labels.NewBuilder(lset)
	b.Del(model.MetricTypeLabel, model.MetricUnitLabel)
	if md.Type != model.MetricTypeUnknown {
		b.Set(model.MetricTypeLabel, string(md.Type))
	}
	b.Set(model.MetricUnitLabel, md.Unit)
	return b.Labels()
}

// familySuffixes end the names of the series of a family that has another name.
var familySuffixes = []string{"_bucket", "_sum", "_count", "_total"}

// familyOf returns the name of the family of a series, given its type.
func familyOf(name string, t model.MetricType) string {
	var suffixes []string
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
		suffixes = familySuffixes[:3]
	case model.MetricTypeSummary:
		suffixes = familySuffixes[1:3]
	}
	for _, suffix := range suffixes {
		if family, has := strings.CutSuffix(name, suffix); has {
			return family
		}
	}
	return name
}
