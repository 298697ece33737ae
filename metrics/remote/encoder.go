package remote

import (
	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/telemetry"
)

// An encoder writes one batch into the blocks of one lane of one endpoint. Its
// methods need the lock of the endpoint, and the tables of st locked for
// reading.
type encoder struct {
	e       *endpoint
	st      *state
	set     *settings
	lane    int
	variant int         // of the endpoint in the current generation
	known   bool        // the endpoint is in the current generation
	block   *wire.Block // being filled; nil: none yet
	before  int         // size of block when the encoder began with it
}

// newEncoder returns an encoder for one batch.
func newEncoder(e *endpoint, st *state, set *settings, lane int) encoder {
	c := encoder{e: e, st: st, set: set, lane: lane}
	c.variant, c.known = st.current.of[e]
	return c
}

// addLocked encodes all of b that the endpoint takes.
func (c *encoder) addLocked(b *telemetry.Batch) {
	starts := b.Starts
	if c.set.Message == Message1 {
		starts = nil // it has no room for them
	}
	for i := 0; i < len(b.Samples); {
		start, until := int64(0), len(b.Samples)
		if len(starts) > 0 && starts[0].Index >= i {
			until = starts[0].Index
		}
		if i == until {
			start, starts = starts[0].T, starts[1:]
		} else if n := c.addRunLocked(b.Samples[i:min(until, len(b.Samples))]); n > 0 {
			i += n
			continue
		}
		c.addSampleLocked(b.Samples[i], start)
		i++
	}
	c.addHistogramsLocked(b.Histograms)
	c.addExemplarsLocked(b.Exemplars)
	c.settle()
}

// addRunLocked encodes the samples that list begins with, as far as they are of
// the current generation and a block has room. It returns how many it went
// through, 0 if the first wants addSampleLocked.
func (c *encoder) addRunLocked(list []telemetry.Sample) (n int) {
	if _, ok := c.line(list[0].Handle); !ok || !c.known {
		return 0 // a block is not opened for nothing
	}
	g := c.st.current
	view := wire.View{Table: g.table, ID: g.id, Variant: c.variant}
	return c.room().AddSamplesLocked(view, list, c.set.Queue.MaxSamples)
}

// addSampleLocked encodes one sample, if the endpoint takes it.
func (c *encoder) addSampleLocked(s telemetry.Sample, start int64) {
	if l, ok := c.line(s.Handle); ok {
		c.room().AddSample(l, s, start)
	}
}

// addHistogramsLocked encodes native histograms, or counts them as dropped
// where the endpoint wants none.
func (c *encoder) addHistogramsLocked(list []telemetry.HistogramSample) {
	if !c.set.NativeHistograms {
		c.e.metrics.skippedHistograms.Add(float64(len(list)))
		return
	}
	for _, s := range list {
		if l, ok := c.line(s.Handle); ok {
			c.room().AddHistogram(l, s)
		}
	}
}

// addExemplarsLocked does the same for exemplars.
func (c *encoder) addExemplarsLocked(list []telemetry.ExemplarSample) {
	if !c.set.Exemplars {
		c.e.metrics.skippedExemplars.Add(float64(len(list)))
		return
	}
	for _, s := range list {
		if l, ok := c.line(s.Handle); ok {
			c.room().AddExemplar(l, s.Exemplar)
		}
	}
}

// room returns a block that takes one more item.
func (c *encoder) room() *wire.Block {
	if c.block == nil || c.block.Items() >= c.set.Queue.MaxSamples {
		c.settle()
		c.block = c.e.openLocked(c.lane, c.set)
		c.before = c.block.Size()
	}
	return c.block
}

// settle accounts for what was written into the block.
func (c *encoder) settle() {
	if c.block != nil {
		c.e.pending += c.block.Size() - c.before
		c.before = c.block.Size()
	}
}

// line returns the series of h at this endpoint, or false if it has none.
func (c *encoder) line(h telemetry.Handle) (wire.Line, bool) {
	g, variant, known := c.st.current, c.variant, c.known
	n, ours := g.id.Index(h)
	if !ours {
		if g, n = c.st.generation(h); g == nil {
			return wire.Line{}, false
		}
		variant, known = g.of[c.e]
	}
	if !known {
		return wire.Line{}, false
	}
	return g.table.LineLocked(n, variant)
}
