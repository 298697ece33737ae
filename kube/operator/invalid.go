package operator

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxInvalid = 100 // objects that the metrics name
	maxReason  = 200 // bytes of what they say of one
)

// invalid collects the objects that are wrong: a series for each of the first
// maxInvalid, by namespace and name, with the field and the reason. What is put
// right is not shown any more.
type invalid struct {
	objects func() []ObjectStatus
	desc    *prometheus.Desc
}

// newInvalid returns a collector for what objects returns.
func newInvalid(objects func() []ObjectStatus) *invalid {
	return &invalid{objects, prometheus.NewDesc("divvy_operator_invalid_object_info",
		"Custom resources that are not in force, or have targets that cannot be scraped, and why; 100 at most.",
		[]string{"namespace", "name", "reason"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *invalid) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector.
func (c *invalid) Collect(out chan<- prometheus.Metric) {
	n := 0
	for _, o := range c.objects() {
		if o.Err == nil {
			continue
		}
		if n++; n > maxInvalid {
			return
		}
		reason := o.Err.Error()
		reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, 1, o.Namespace, o.Name, reason)
	}
}
