package walk

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

var errNoName = errors.New("metric name is missing")

// complete adds the target's labels to those of a series and checks the
// result. An error fails the scrape: a target with one bad series is a target
// that is not what its owner thinks, and half of it would hide that.
func (w *Walk) complete(lset telemetry.Labels) (telemetry.Labels, error) {
	cfg := w.rules
	lset = withTarget(lset, w.target.Labels, cfg.HonorLabels)
	if !lset.Has(model.MetricNameLabel) {
		return lset, errNoName
	}
	if !lset.IsValid(cfg.ValidationScheme) {
		return lset, fmt.Errorf("metric name or label name is invalid: %s", lset)
	}
	if name, twice := lset.HasDuplicateLabelNames(); twice {
		return lset, fmt.Errorf("label %q is given twice: %s", name, lset)
	}
	if err := cfg.Limits.checkLabels(lset); err != nil {
		w.LabelLimit = true
		return lset, err
	}
	return lset, nil
}

// withTarget adds the labels of the target. Where both have a label, with
// honor that of the series stays; otherwise it is renamed to exported_….
func withTarget(lset, target telemetry.Labels, honor bool) telemetry.Labels {
	lb := labels.NewBuilder(lset)
	var renamed []labels.Label
	target.Range(func(l labels.Label) {
		if honor && lset.Has(l.Name) {
			return
		}
		if val := lset.Get(l.Name); val != "" {
			renamed = append(renamed, labels.Label{Name: l.Name, Value: val})
		}
		lb.Set(l.Name, l.Value)
	})
	// Shorter names first, so that a then exported_a end up as exported_a
	// and exported_exported_a.
	slices.SortStableFunc(renamed, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range renamed {
		name := model.ExportedLabelPrefix + l.Name
		for lb.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		lb.Set(name, l.Value)
	}
	return lb.Labels()
}

// checkLabels reports a series that goes beyond the limits on labels.
func (l *Limits) checkLabels(lset telemetry.Labels) error {
	name := lset.Get(model.MetricNameLabel)
	if n := lset.Len(); l.Labels > 0 && n > int(l.Labels) {
		return fmt.Errorf("label_limit exceeded (metric: %.50s, number of labels: %d, limit: %d)", name, n, l.Labels)
	}
	if l.LabelNameLength == 0 && l.LabelValueLength == 0 {
		return nil
	}
	return lset.Validate(func(lab labels.Label) error {
		if n := len(lab.Name); l.LabelNameLength > 0 && n > int(l.LabelNameLength) {
			return fmt.Errorf("label_name_length_limit exceeded (metric: %.50s, label name: %.50s, length: %d, limit: %d)",
				name, lab.Name, n, l.LabelNameLength)
		}
		if n := len(lab.Value); l.LabelValueLength > 0 && n > int(l.LabelValueLength) {
			return fmt.Errorf("label_value_length_limit exceeded (metric: %.50s, label name: %.50s, value: %.50q, length: %d, limit: %d)",
				name, lab.Name, lab.Value, n, l.LabelValueLength)
		}
		return nil
	})
}
