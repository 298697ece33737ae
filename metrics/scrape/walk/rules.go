package walk

import (
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/divvy-collector/divvy/telemetry"
)

// Rules say what is made of an exposition. The zero Rules take everything as
// text and know no limits; ValidationScheme must be set.
type Rules struct {
	DefaultType      string // media type of bodies whose own is not a known one; empty: they are refused
	ValidationScheme model.ValidationScheme

	HonorLabels     bool // labels of the exposition win over those of the target
	HonorTimestamps bool // timestamps of the exposition count
	TrackTimestamps bool // series with timestamps of their own go stale too
	HonorMetadata   bool // pass type, unit and help on

	TypeAndUnitLabels bool // add __type__ and __unit__ to every series
	StartTimestamps   bool // read start timestamps and write a zero sample there
	ExtraMetrics      bool // three more report series

	Limits Limits
}

// Limits make a scrape fail that goes beyond them. Zero is no limit.
type Limits struct {
	BodyBytes        int64 // of the body, inflated; zero is defaultBodyBytes
	Samples          uint  // that the sink does not drop
	Labels           uint  // of a series
	LabelNameLength  uint  // bytes
	LabelValueLength uint  // bytes
	Buckets          uint  // of a native histogram; merged down to it where that is possible

	// BucketFactor is the least growth from one bucket of a native histogram
	// to the next; finer ones are merged. Zero or one: as it comes.
	BucketFactor float64
}

// defaultBodyBytes bounds a body where the configuration does not: an endless
// one must not take the process with it.
const defaultBodyBytes = 256 << 20

// MaxBody returns the limit on a body's size, in bytes.
func (l *Limits) MaxBody() int64 {
	if l.BodyBytes > 0 {
		return l.BodyBytes
	}
	return defaultBodyBytes
}

// maxSchema returns the finest schema of native histograms that keeps
// BucketFactor: buckets of schema s grow by 2^(2^-s).
func (l *Limits) maxSchema() int32 {
	if l.BucketFactor <= 1 {
		return histogram.ExponentialSchemaMax
	}
	s := math.Floor(-math.Log2(math.Log2(l.BucketFactor)))
	return int32(min(max(s, float64(histogram.ExponentialSchemaMin)), float64(histogram.ExponentialSchemaMax)))
}

// A Target is what a walk needs to know of whose exposition it reads.
type Target struct {
	Shown    string           // URL without its password
	Labels   telemetry.Labels // that its series get
	Key      uint64           // of its batches
	Scope    string           // of its batches
	Interval time.Duration
	Timeout  time.Duration

	NHCB    bool // convert classic histograms to native ones
	Classic bool // take classic histograms beside native ones
	Native  bool // take native histograms
}
