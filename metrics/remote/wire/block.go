package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/exemplar"

	"github.com/divvy-collector/divvy/telemetry"
)

// Kinds of records in the log.
const (
	KindWrite1    uint8 = 1 // samples as remote write 1.0
	KindWrite2    uint8 = 2 // samples as remote write 2.0
	KindMetadata1 uint8 = 3 // metadata as remote write 1.0
)

// A Block is one record of the log while it is being built: an encoded write
// request of one lane. Its series are appended as they come, one per sample:
//
//	1.0:  | series | series | …                     each with its labels in full
//	2.0:  | symbols … | series | series | …         each with references to symbols
//
//	series 1.0:  | 0x0A | length | Label … | Sample, Histogram or Exemplar |
//	series 2.0:  | 0x2A | length | references | the same | Metadata |
//
// Receivers take several series with equal labels in one request as well as
// one series with several samples. One goroutine at a time may use a Block.
type Block struct {
	Kind   uint8
	Lane   uint16
	Lanes  uint16
	series []byte   // encoded TimeSeries
	packed []byte   // elements of a snappy block with the series before
	before int      // length of what is in packed
	work   []byte   // memory for packing
	sym    *symbols // of a 2.0 block
	audit  *Audit   // nil: none
	begun  bool     // there is a piece that is not packed yet
	twin   *twin    // of that piece; nil: it is not checked
	encode func(dst, raw []byte) []byte
	Counts
	Verdict
	MinTime, MaxTime int64 // Unix ms
}

// Counts says what a block holds.
type Counts struct {
	Samples, Histograms, Exemplars, Metadata int
}

// Plus returns the sum.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Samples:    c.Samples + d.Samples,
		Histograms: c.Histograms + d.Histograms,
		Exemplars:  c.Exemplars + d.Exemplars,
		Metadata:   c.Metadata + d.Metadata,
	}
}

// minus returns c without d.
func (c Counts) minus(d Counts) Counts {
	return Counts{
		Samples:    c.Samples - d.Samples,
		Histograms: c.Histograms - d.Histograms,
		Exemplars:  c.Exemplars - d.Exemplars,
		Metadata:   c.Metadata - d.Metadata,
	}
}

// Items is what max_samples_per_send limits.
func (c Counts) Items() int { return c.Samples + c.Histograms + c.Exemplars }

// Reset makes b an empty block that uses the memory of what it was.
func (b *Block) Reset(kind uint8, lane, lanes uint16) {
	*b = Block{
		Kind: kind, Lane: lane, Lanes: lanes, series: b.series[:0], packed: b.packed[:0], work: b.work, sym: b.sym,
		MinTime: math.MaxInt64, MaxTime: math.MinInt64, encode: s2.EncodeSnappy,
	}
	if kind != KindWrite2 {
		return
	}
	b.encode = snappy.Encode // takes a tenth less time for references, and as many bytes
	if b.sym == nil {
		b.sym = newSymbols()
	}
	b.sym.reset()
}

// A Line is a series at one endpoint, about to be written: its packed pairs,
// the table that they are in, and what describes it (0: nothing).
type Line struct {
	table   *Table
	pairs   []byte
	family  uint32
	number  uint32 // in table
	variant int
}

// open begins a TimeSeries with the labels of l. at is for end, with 2 bytes.
func (b *Block) open(l Line) (at int) {
	b.begin()
	if b.Kind == KindWrite2 {
		return b.open2(l)
	}
	out, at := begin(b.series, tag(1, wireBytes), 2)
	for list := l.pairs; len(list) > 0; {
		p, n := binary.Uvarint(list)
		list = list[n:]
		out = append(out, l.table.pairs.encoded(pair(p))...)
	}
	b.series = out
	return at
}

// open2 is open for 2.0: the labels are packed references to symbols, name and
// value in turn.
func (b *Block) open2(l Line) (at int) {
	out, at := begin(b.series, tag(5, wireBytes), 2)
	out, refs := begin(out, tag(1, wireBytes), 1)
	b.sym.use(l.table)
	for list := l.pairs; len(list) > 0; {
		p, n := binary.Uvarint(list)
		list = list[n:]
		out = b.sym.appendRefs(out, pair(p))
	}
	b.series = end(out, refs, 1)
	return at
}

// close ends the TimeSeries that open began.
func (b *Block) close(at int, l Line, t int64) {
	if b.Kind == KindWrite2 && l.family != 0 {
		b.series = b.sym.appendMetadata2(b.series, &l.table.families.list[l.family])
	}
	b.series = end(b.series, at, 2)
	b.MinTime, b.MaxTime = min(b.MinTime, t), max(b.MaxTime, t)
	if len(b.series) > packBytes {
		b.Pack()
	}
}

// packBytes is the length of series at which they are compressed. It is small
// enough for the cache of a core, and four times as far as a snappy block looks back.
const packBytes = 256 << 10

// Pack compresses the series that the block has so far. They take a tenth of
// the memory then, and the next ones are written where the cache is warm.
// Elements of a snappy block refer backwards only, so that blocks can be put
// one behind the other.
func (b *Block) Pack() {
	if len(b.series) == 0 {
		return
	}
	at, size := len(b.packed), len(b.series)
	b.packed = b.appendElements(b.packed, b.series)
	if b.twin != nil {
		size = b.prove(at)
	}
	b.before += size
	b.series = b.series[:0]
	b.begun, b.twin = false, nil
}

// appendElements appends what a snappy block of raw has behind its length.
func (b *Block) appendElements(dst, raw []byte) []byte {
	b.work = slices.Grow(b.work[:0], snappy.MaxEncodedLen(len(raw)))
	out := b.encode(b.work[:cap(b.work)], raw)
	_, head := binary.Uvarint(out)
	return append(dst, out[head:]...)
}

// Follow lets b, which is empty, work in the memory that a packed block has left.
func (b *Block) Follow(last *Block) {
	b.series, last.series = last.series[:0], b.series
	b.work, last.work = last.work, b.work
}

// AddSample writes one value. start is its start timestamp, 0 if unknown;
// only 2.0 has room for it.
func (b *Block) AddSample(l Line, s telemetry.Sample, start int64) {
	at := b.open(l)
	out, body := begin(b.series, tag(2, wireBytes), 1)
	out = append(out, tag(1, wireFixed), 0, 0, 0, 0, 0, 0, 0, 0, tag(2, wireVarint))
	binary.LittleEndian.PutUint64(out[len(out)-9:], math.Float64bits(s.V))
	out = appendVarint(out, uint64(s.T))
	if start != 0 && b.Kind == KindWrite2 {
		out = appendVarint(append(out, tag(3, wireVarint)), uint64(start))
	}
	b.series = end(out, body, 1)
	b.Samples++
	if b.twin != nil {
		b.twin.addSample(l, s, start)
	}
	b.close(at, l, s.T)
}

// AddHistogram writes one native histogram.
func (b *Block) AddHistogram(l Line, s telemetry.HistogramSample) {
	field := byte(4)
	if b.Kind == KindWrite2 {
		field = 3
	}
	at := b.open(l)
	out, body := begin(b.series, tag(field, wireBytes), 2)
	out = appendHistogram(out, s, b.Kind == KindWrite2)
	b.series = end(out, body, 2)
	b.Histograms++
	if b.twin != nil {
		b.twin.addHistogram(l, s)
	}
	b.close(at, l, s.T)
}

// AddExemplar writes one exemplar, as a series of its own without samples.
func (b *Block) AddExemplar(l Line, e exemplar.Exemplar) {
	at := b.open(l)
	if b.Kind == KindWrite2 {
		b.appendExemplar2(e)
	} else {
		b.appendExemplar1(e)
	}
	b.Exemplars++
	if b.twin != nil {
		b.twin.addExemplar(l, e)
	}
	b.close(at, l, e.Ts)
}

// appendExemplar1 appends an exemplar with its labels spelled out.
func (b *Block) appendExemplar1(e exemplar.Exemplar) {
	out, body := begin(b.series, tag(3, wireBytes), 2)
	e.Labels.Range(func(l label) {
		var at int
		out, at = begin(out, tag(1, wireBytes), 1)
		out = appendString(appendString(out, 1, l.Name), 2, l.Value)
		out = end(out, at, 1)
	})
	b.series = end(appendExemplarValue(out, e), body, 2)
}

// appendExemplar2 appends an exemplar whose labels are references to symbols.
func (b *Block) appendExemplar2(e exemplar.Exemplar) {
	out, body := begin(b.series, tag(4, wireBytes), 2)
	out, refs := begin(out, tag(1, wireBytes), 1)
	e.Labels.Range(func(l label) {
		out = appendVarint(out, uint64(b.sym.ref([]byte(l.Name))))
		out = appendVarint(out, uint64(b.sym.ref([]byte(l.Value))))
	})
	out = end(out, refs, 1)
	b.series = end(appendExemplarValue(out, e), body, 2)
}

// appendExemplarValue appends what both versions have in common.
func appendExemplarValue(b []byte, e exemplar.Exemplar) []byte {
	b = appendDouble(append(b, tag(2, wireFixed)), e.Value)
	return appendVarint(append(b, tag(3, wireVarint)), uint64(e.Ts))
}

// AddMetadata writes what describes one family; now is Unix ms. Only blocks of
// KindMetadata1 have room for it.
func (b *Block) AddMetadata(md telemetry.Metadata, now int64) {
	b.series = appendMetadata1(b.series, md)
	b.Metadata++
	b.MinTime, b.MaxTime = now, now
}

// Size is the memory that the block's request takes so far.
func (b *Block) Size() int {
	size := len(b.series) + len(b.packed)
	if b.Kind == KindWrite2 {
		size += len(b.sym.bytes)
	}
	return size
}

// Compress appends the payload of the block's record to dst:
//
//	| histograms | exemplars | metadata | snappy block |     the numbers are varints
//
// The snappy block is the body that is sent, unless several are merged.
func (b *Block) Compress(dst []byte) (payload []byte) {
	b.Pack()
	dst = appendCounts(dst, b.Counts)
	if b.Kind != KindWrite2 {
		return append(appendVarint(dst, uint64(b.before)), b.packed...)
	}
	dst = appendVarint(dst, uint64(len(b.sym.bytes)+b.before))
	return append(b.provenSymbols(dst), b.packed...)
}

// appendCounts appends what comes before the snappy block.
func appendCounts(dst []byte, c Counts) []byte {
	dst = appendVarint(dst, uint64(c.Histograms))
	dst = appendVarint(dst, uint64(c.Exemplars))
	return appendVarint(dst, uint64(c.Metadata))
}
