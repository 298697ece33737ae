package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/divvy-collector/divvy/telemetry"
)

// A View is a Table as one endpoint sees it.
type View struct {
	Table   *Table
	ID      telemetry.SinkID // of the handles whose series are in Table
	Variant int
}

// AddSamplesLocked writes the values that list begins with, and returns how
// many it went through: up to the first that is not of v, or until b has limit
// items. Series that the rules drop are passed over. It is AddSample many times
// over, without start timestamps, at less than half of the cost. The table is
// locked for reading.
func (b *Block) AddSamplesLocked(v View, list []telemetry.Sample, limit int) (n int) {
	r := run{Block: b, View: v}
	if b.Kind == KindWrite2 {
		b.sym.use(v.Table)
		b.sym.about = b.sym.about[:0]
	}
	for room := limit - b.Items(); room > 0 && n < len(list); n++ {
		k, ours := v.ID.Index(list[n].Handle)
		if !ours {
			return n
		}
		if pairs := v.Table.pairsLocked(k, v.Variant); len(pairs) > 0 {
			r.add(k, pairs, list[n])
			room--
		}
	}
	return n
}

// A run is what AddSamplesLocked knows from one sample to the next. It writes
// series of the usual form without a look at every byte, and leaves others to
// AddSample:
//
//	1.0:  | 0x0A | length, 2 bytes | Label … | Sample |
//	2.0:  | 0x2A | length | 0x0A | length | references | Sample | Metadata |
//
//	Sample:  | 0x12 | 16 | 0x09 | value, 8 bytes | 0x10 | time, 6 bytes |
//
// What is written may reach beyond the end of what counts: moves of a fixed
// size cost less than one of the right size.
type run struct {
	*Block
	View
	time   int64  // of the sample before
	tail   uint64 // the field with that time; 0: there is none yet, or it has another length
	family uint32 // that sym.about describes; 0: none
}

const (
	sampleSize = 18
	sampleHead = 2<<3 | wireBytes | (sampleSize-2)<<8 | (1<<3|wireFixed)<<16
	labelSize  = 64 // of the longest Label that is moved at once, in bytes
	refsSize   = 4  // of the longest two references
	maxAbout   = 16 // of the longest Metadata
)

// add writes one value of the series with number k and these pairs.
func (r *run) add(k int, pairs []byte, s telemetry.Sample) {
	if s.T != r.time || r.tail == 0 {
		r.at(s.T)
	}
	fits := false
	switch {
	case r.tail == 0:
	case r.Kind == KindWrite1:
		r.begin()
		fits = r.add1(pairs, s.V)
	default:
		r.begin()
		fits = r.add2(r.Table.entries[k].family, pairs, s.V)
	}
	if !fits {
		r.AddSample(r.Table.line(k, r.Variant, pairs), s, 0)
		return
	}
	r.Samples++
	if r.twin != nil {
		r.twin.addSample(r.Table.line(k, r.Variant, pairs), s, 0)
	}
	if len(r.series) > packBytes {
		r.Pack()
	}
}

// at makes t the time of what follows. From 1971 to 2109 it takes six bytes.
func (r *run) at(t int64) {
	r.time, r.tail = t, 0
	r.MinTime, r.MaxTime = min(r.MinTime, t), max(r.MaxTime, t)
	if t < 1<<35 || t >= 1<<42 {
		return
	}
	field := [8]byte{tag(2, wireVarint)}
	binary.PutUvarint(field[1:], uint64(t))
	r.tail = binary.LittleEndian.Uint64(field[:])
}

// room returns the block's memory with size bytes free, and where they begin.
func (r *run) room(size int) (out []byte, start int) {
	if len(r.series)+size > cap(r.series) {
		r.series = slices.Grow(r.series, size)
	}
	return r.series[:cap(r.series)], len(r.series)
}

// add1 writes a series of 1.0, unless it needs more room than most.
func (r *run) add1(pairs []byte, v float64) bool {
	out, start := r.room(labelSize * (len(pairs) + 1))
	n := r.labels(out, start+3, pairs)
	if n == 0 {
		return false
	}
	n = r.sample(out, n, v)
	r.series = out[:n]
	out[start] = tag(1, wireBytes)
	if size := n - start - 3; size >= 1<<7 && size < 1<<14 {
		out[start+1], out[start+2] = byte(size)|0x80, byte(size>>7)
	} else {
		r.series = end(r.series, start+1, 2)
	}
	return true
}

// labels writes the labels of pairs into out from n on, and returns where they
// end, or 0 if there is no room for a long one. Numbers of pairs are read here
// and in refs, not in a function, which would be called for each of them.
func (r *run) labels(out []byte, n int, pairs []byte) int {
	begins, all := r.Table.pairs.at, r.Table.pairs.bytes[:cap(r.Table.pairs.bytes)]
	for i := 0; i < len(pairs); {
		p := pair(pairs[i])
		if i++; p >= 0x80 && i < len(pairs) {
			p = p&0x7f | pair(pairs[i])<<7
			i++
		}
		if p >= 1<<14 && i < len(pairs) {
			p = p&(1<<14-1) | pair(pairs[i])<<14
			i++
		}
		if p >= 1<<21 {
			return 0
		}
		at := int(begins[p])
		if at+labelSize <= len(all) {
			from := (*[labelSize]byte)(all[at:])
			if size := int(from[1]) + 2; size <= labelSize {
				moveLabel((*[labelSize]byte)(out[n:]), from)
				n += size
				continue
			}
		}
		long := r.Table.pairs.encoded(p)
		if n+len(long)+labelSize*(len(pairs)-i+1) > len(out) {
			return 0
		}
		n += copy(out[n:], long)
	}
	return n
}

// moveLabel copies labelSize bytes. The compiler would make a call of what
// copies more than 16 bytes between places that might overlap.
func moveLabel(to, from *[labelSize]byte) {
	*(*[16]byte)(to[0:]) = *(*[16]byte)(from[0:])
	*(*[16]byte)(to[16:]) = *(*[16]byte)(from[16:])
	*(*[16]byte)(to[32:]) = *(*[16]byte)(from[32:])
	*(*[16]byte)(to[48:]) = *(*[16]byte)(from[48:])
}

// sample writes a Sample into out from n on, and returns where it ends.
func (r *run) sample(out []byte, n int, v float64) int {
	b := out[n : n+sampleSize+1]
	binary.LittleEndian.PutUint32(b, sampleHead)
	binary.LittleEndian.PutUint64(b[3:], math.Float64bits(v))
	binary.LittleEndian.PutUint64(b[sampleSize-7:], r.tail)
	return n + sampleSize
}

// add2 writes a series of 2.0, unless it is longer than 127 bytes.
func (r *run) add2(family uint32, pairs []byte, v float64) bool {
	out, start := r.room(refsSize*(len(pairs)+1) + sampleSize + maxAbout)
	end := r.refs(out, start+4, pairs)
	if end == 0 {
		return false
	}
	if family != r.family {
		r.family = family
		r.sym.aboutFamily(r.Table, family)
	}
	n := end + sampleSize + len(r.sym.about)
	if n-start-2 >= 1<<7 {
		return false
	}
	copy(out[r.sample(out, end, v):], r.sym.about)
	out[start], out[start+1] = tag(5, wireBytes), byte(n-start-2)
	out[start+2], out[start+3] = tag(1, wireBytes), byte(end-start-4)
	r.series = out[:n]
	return true
}

// refs writes the references of pairs into out from n on, and returns where
// they end, or 0 if some are too long.
func (r *run) refs(out []byte, n int, pairs []byte) int {
	short := &r.sym.short
	for i := 0; i < len(pairs); {
		p := pair(pairs[i])
		if i++; p >= 0x80 && i < len(pairs) {
			p = p&0x7f | pair(pairs[i])<<7
			i++
		}
		if p >= 1<<14 && i < len(pairs) {
			p = p&(1<<14-1) | pair(pairs[i])<<14
			i++
		}
		if p >= 1<<21 {
			return 0
		}
		s := &short[p%pair(len(short))]
		if s.pair != p || s.size == 0 {
			if *s = r.sym.shorten(p); s.size == 0 {
				return 0
			}
		}
		binary.LittleEndian.PutUint32(out[n:], s.bytes)
		n += int(s.size)
	}
	return n
}
