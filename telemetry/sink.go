package telemetry

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
)

// A Sink takes samples of series. It is the one seam between the components of
// the metrics path. Label work is done once per series, in Resolve; Append
// never sees a label.
//
// Any number of goroutines may use a Sink at the same time. One caller's
// batches with the same Key are kept in the order in which they were appended.
//
// The life of a series in a Sink:
//
//	Resolve ─► Handle ─► Append … Append ─► Release
//	   │                   │
//	   └► Dropped          └► ErrEpoch: resolve again, append again
//
// TestSink (package telemetry/sinktest) is the contract as a test.
type Sink interface {
	// Resolve returns the handle under which samples of the series with
	// these labels are appended, or Dropped if the sink takes none of them.
	// Equal labels give equal handles for as long as one of them is held;
	// each successful Resolve is one hold and wants one Release.
	// md describes the series and may be nil. The sink keeps neither lset
	// nor md beyond the call unless it copies them.
	Resolve(lset Labels, md *Metadata) Handle

	// Epoch changes whenever Resolve might give another answer for labels
	// that it has answered for before: rules, external labels or the next
	// sinks changed. It never repeats a value.
	Epoch() Epoch

	// Append takes the whole batch, or none of it and returns an error. It
	// does not keep b. ErrEpoch says that b.Epoch is out of date: the caller
	// resolves its series again and appends once more. Handles of an earlier
	// epoch that are still held stay good for staleness markers. Handles that
	// the sink does not know are skipped. Samples are accepted, not yet
	// committed, when Append returns: see Flush.
	Append(b *Batch) error

	// Flush returns nil once everything appended before the call is
	// committed, that is, survives the process; or the reason why it cannot
	// be. Without Flush, a sink commits by itself, at the latest 250 ms
	// after the Append.
	Flush(ctx context.Context) error

	// Release gives up one hold on each of the handles: their series ended
	// or moved away. Dropped and unknown handles are ignored.
	Release(handles []Handle)
}

// ErrEpoch is returned by Sink.Append for a batch whose handles were resolved
// before the sink's rules changed.
var ErrEpoch = errors.New("the series were resolved before the rules changed")

// A Handle names a series inside the sink that resolved it. Its upper 24 bits
// name the sink (SinkID), so that a handle that strays into another sink is
// recognised; the lower 40 bits are the sink's own.
type Handle uint64

// Dropped is the handle of a series that a sink does not take.
const Dropped Handle = 0

// A SinkID tells the handles of one sink from those of another.
type SinkID uint32

// Epoch numbers the states of a sink's rules. Compare for equality only.
type Epoch uint64

const handleBits = 40

var (
	lastSinkID atomic.Uint32
	lastEpoch  atomic.Uint64
)

// NewSinkID returns an identity that no other sink of this process has.
func NewSinkID() SinkID { return SinkID(lastSinkID.Add(1)) }

// Handle returns the handle of the series with number index in sink id.
func (id SinkID) Handle(index int) Handle { return Handle(id)<<handleBits | Handle(index) }

// Index returns the number of h in sink id, or false if h is another sink's.
func (id SinkID) Index(h Handle) (int, bool) {
	return int(h & (1<<handleBits - 1)), SinkID(h>>handleBits) == id && h != Dropped
}

// Sink returns the identity of the sink that resolved h.
func (h Handle) Sink() SinkID { return SinkID(h >> handleBits) }

// NextEpoch returns an epoch that is greater than every one returned before,
// so that the maximum over a chain of sinks changes when any of them does.
func NextEpoch() Epoch { return Epoch(lastEpoch.Add(1)) }

// A Batch is what one scrape or one received request adds: it is appended
// whole or not at all. Times are Unix milliseconds.
type Batch struct {
	Epoch Epoch  // of the sink when the handles were resolved
	Key   uint64 // of the target; batches with equal keys stay in order
	Scope string // "job/instance" or sender, for logs and live views only

	Samples    []Sample
	Histograms []HistogramSample
	Exemplars  []ExemplarSample
	Starts     []Start // start timestamps of some of Samples, ascending by Index
}

// A Sample is one value of one series. A value with the bits of
// value.StaleNaN is a staleness marker.
type Sample struct {
	Handle Handle
	T      int64
	V      float64
}

// A HistogramSample is one native histogram of one series; exactly one of H and
// FH is set. A staleness marker is a histogram whose Sum is StaleNaN.
type HistogramSample struct {
	Handle Handle
	T      int64
	ST     int64 // start timestamp; 0 if unknown
	H      *histogram.Histogram
	FH     *histogram.FloatHistogram
}

// An ExemplarSample is one exemplar of the series Handle.
type ExemplarSample struct {
	Handle   Handle
	Exemplar exemplar.Exemplar
}

// A Start is the start timestamp of Samples[Index].
type Start struct {
	Index int
	T     int64
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Histograms)
	clear(b.Exemplars)
	*b = Batch{
		Samples:    b.Samples[:0],
		Histograms: b.Histograms[:0],
		Exemplars:  b.Exemplars[:0],
		Starts:     b.Starts[:0],
	}
}
