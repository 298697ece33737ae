// Package telemetry holds the nouns that every domain shares: labels, targets,
// series metadata, samples in batches, and Sink, the seam between the parts of
// the metrics path.
//
// Labels and histograms are those of the Prometheus model packages, so that
// rules, parsers and encoders of that world fit without a conversion.
//
// Invariant: this package imports nothing of ours and starts nothing.
package telemetry

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Labels is a sorted set of labels; it is immutable.
type Labels = labels.Labels

// A Target is something to scrape, as discovery found it: labels, of which
// those that begin with "__" steer the scrape (__address__, __scheme__,
// __metrics_path__, __param_*, __meta_*) and the others end up on its series.
type Target = labels.Labels

// Metadata describes a metric family.
type Metadata struct {
	Family string // name in the TYPE line: without _total, _bucket and the like
	Type   model.MetricType
	Unit   string
	Help   string
}
