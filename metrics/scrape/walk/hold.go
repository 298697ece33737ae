package walk

import (
	"slices"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Hold is what was scraped of a target and is kept back, in order. It
// belongs to the scrapes of its target: their turns follow each other, and the
// one in which it is let go is the last.
type Hold struct{ parked []parked }

// A parked is something that a sink is to be given: a batch, or handles that
// are released.
type parked struct {
	sink    telemetry.Sink
	batch   *telemetry.Batch
	handles []telemetry.Handle
}

// park keeps a batch back, of which nothing is used again.
func (h *Hold) park(sink telemetry.Sink, b *telemetry.Batch) {
	c := *b
	c.Samples, c.Exemplars, c.Starts = slices.Clone(b.Samples), slices.Clone(b.Exemplars), slices.Clone(b.Starts)
	c.Histograms = slices.Clone(b.Histograms)
	for i, x := range c.Histograms {
		if x.H != nil {
			c.Histograms[i].H = x.H.Copy()
		} else {
			c.Histograms[i].FH = x.FH.Copy()
		}
	}
	h.parked = append(h.parked, parked{sink: sink, batch: &c})
}

// release keeps the release of handles back: batches before may have them.
func (h *Hold) release(sink telemetry.Sink, handles []telemetry.Handle) {
	h.parked = append(h.parked, parked{sink: sink, handles: slices.Clone(handles)})
}

// LetGo gives everything to the sinks. What was scraped under rules that have
// changed since is taken under those of then. It returns the last error.
func (h *Hold) LetGo() (err error) {
	for _, x := range h.parked {
		if x.batch == nil {
			x.sink.Release(x.handles)
		} else if refused := appendAlways(x.sink, x.batch); refused != nil {
			err = refused
		}
	}
	h.parked = nil
	return err
}
