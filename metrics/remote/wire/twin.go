package wire

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/prometheus/prometheus/model/exemplar"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/telemetry"
)

// A twin is what one piece of a block should say: its series as 1.0 spells
// them, or as 2.0 would if it had strings in the place of references:
//
//	1.0, 0x0A:  | Label … | Sample, Histogram or Exemplar |
//	2.0, 0x2A:  | Label … | the same | Metadata, with help and unit as strings |
//
// Here nothing is remembered and nothing is moved in bulk.
type twin struct {
	kind   uint8
	series []byte
	table  *Table // of the last series that is torn
	torn   Counts // what was left out
	value  []byte // memory for a Sample, Histogram or Exemplar
	fields []byte // memory for a TimeSeries
}

// addSample adds one value.
func (w *twin) addSample(l Line, s telemetry.Sample, start int64) {
	msg := appendDouble(protowire.AppendTag(w.value[:0], 1, protowire.Fixed64Type), s.V)
	msg = protowire.AppendTag(msg, 2, protowire.VarintType)
	msg = protowire.AppendVarint(msg, uint64(s.T))
	if start != 0 && w.kind == KindWrite2 {
		msg = protowire.AppendTag(msg, 3, protowire.VarintType)
		msg = protowire.AppendVarint(msg, uint64(start))
	}
	w.value = msg
	w.add(l, 2, msg, Counts{Samples: 1})
}

// addHistogram adds one native histogram.
func (w *twin) addHistogram(l Line, s telemetry.HistogramSample) {
	_, field, _ := fieldsOf(w.kind)
	w.add(l, field, appendHistogram(nil, s, w.kind == KindWrite2), Counts{Histograms: 1})
}

// addExemplar adds one exemplar, its labels spelled out.
func (w *twin) addExemplar(l Line, e exemplar.Exemplar) {
	var msg []byte
	e.Labels.Range(func(l label) { msg = appendLabel(msg, l.Name, l.Value) })
	_, _, field := fieldsOf(w.kind)
	w.add(l, field, appendExemplarValue(msg, e), Counts{Exemplars: 1})
}

// add adds a series with one field besides its labels, or leaves it out if
// those are not the ones that it was resolved with.
func (w *twin) add(l Line, field protowire.Number, body []byte, one Counts) {
	lset, ok := l.appendSpelled(w.fields[:0])
	if !ok {
		w.table, w.torn = l.table, w.torn.Plus(one)
		return
	}
	msg := protowire.AppendTag(lset, field, protowire.BytesType)
	msg = protowire.AppendBytes(msg, body)
	if w.kind == KindWrite2 && l.family != 0 {
		md := l.table.families.list[l.family]
		msg = appendAbout(msg, metricType(md.Type), md.Help, md.Unit)
	}
	w.series = protowire.AppendTag(w.series, seriesField(w.kind), protowire.BytesType)
	w.series = protowire.AppendBytes(w.series, msg)
	w.fields = msg
}

// seriesField is the number of the field of a request that holds its series.
func seriesField(kind uint8) protowire.Number {
	if kind == KindWrite2 {
		return 5
	}
	return 1
}

// appendSpelled appends the encoded labels of l, or returns false if the table
// knows that Resolve was given others.
func (l Line) appendSpelled(b []byte) (_ []byte, ok bool) {
	want, known := l.table.witnesses[l.witness()]
	var h maphash.Hash
	h.SetSeed(l.table.pairs.seed)
	for list := l.pairs; len(list) > 0; {
		p, n := binary.Uvarint(list)
		if n <= 0 || p >= uint64(len(l.table.pairs.at)) {
			return b, false
		}
		name, value := l.table.pairs.label(pair(p))
		if known {
			hashLabel(&h, name, value)
		}
		b, list = appendLabel(b, name, value), list[n:]
	}
	return b, !known || want == h.Sum64()
}

// appendLabel appends a Label as field 1.
func appendLabel[S string | []byte](b []byte, name, value S) []byte {
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(1+protowire.SizeBytes(len(name))+1+protowire.SizeBytes(len(value))))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = append(protowire.AppendVarint(b, uint64(len(name))), name...)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return append(protowire.AppendVarint(b, uint64(len(value))), value...)
}

// appendAbout appends a Metadata with strings as field 5.
func appendAbout(b []byte, kind uint64, help, unit string) []byte {
	size := 1 + protowire.SizeVarint(kind) + 1 + protowire.SizeBytes(len(help)) + 1 + protowire.SizeBytes(len(unit))
	b = protowire.AppendTag(b, 5, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, kind)
	b = protowire.AppendTag(b, 3, protowire.BytesType)
	b = protowire.AppendString(b, help)
	b = protowire.AppendTag(b, 4, protowire.BytesType)
	return protowire.AppendString(b, unit)
}

// request returns the series as they go into the request. 2.0 asks for a look-up
// of the numbers of symbols.
func (w *twin) request(lookup func() (ref func(str []byte) uint64)) (out []byte) {
	if w.kind != KindWrite2 {
		return w.series
	}
	ref := lookup()
	_, list, err := cutRequest(w.series, w.kind)
	if err != nil {
		panic("BUG: cut a twin: " + err.Error())
	}
	var refs, rest []byte
	for _, s := range list {
		refs, rest = referFields(refs[:0], rest[:0], s, ref)
		size := 1 + protowire.SizeBytes(len(refs)) + len(rest)
		out = appendVarint(protowire.AppendTag(out, 5, protowire.BytesType), uint64(size))
		out = append(appendMessage(out, 1, refs), rest...)
	}
	return out
}

// referFields appends the references to the labels of a TimeSeries to refs, and
// the other fields to rest.
func referFields(refs, rest, s []byte, ref func([]byte) uint64) (_, _ []byte) {
	eachField(s, func(num protowire.Number, value []byte) {
		switch num {
		case 1:
			refs = appendLabelRefs(refs, value, ref)
		case 2, 3:
			rest = appendMessage(rest, byte(num), value)
		case 4:
			rest = appendMessage(rest, 4, referExemplar(value, ref))
		case 5:
			rest = appendMessage(rest, 5, referAbout(value, ref))
		}
	})
	return refs, rest
}

// appendLabelRefs appends the references of a Label.
func appendLabelRefs(refs, msg []byte, ref func([]byte) uint64) []byte {
	name, rest := cutString(msg)
	value, _ := cutString(rest)
	return protowire.AppendVarint(protowire.AppendVarint(refs, ref(name)), ref(value))
}

// referExemplar returns an Exemplar with references.
func referExemplar(msg []byte, ref func([]byte) uint64) []byte {
	var refs, rest []byte
	for len(msg) > 0 {
		num, _, n := protowire.ConsumeField(msg)
		if n < 0 {
			break
		}
		if num == 1 {
			_, _, head := protowire.ConsumeTag(msg)
			lset, _ := protowire.ConsumeBytes(msg[head:n])
			refs = appendLabelRefs(refs, lset, ref)
		} else {
			rest = append(rest, msg[:n]...)
		}
		msg = msg[n:]
	}
	return append(appendMessage(nil, 1, refs), rest...)
}

// referAbout returns a Metadata with references.
func referAbout(msg []byte, ref func([]byte) uint64) (out []byte) {
	kind := uint64(timeIn(msg, 1))
	_, _, head := protowire.ConsumeField(msg)
	help, rest := cutString(msg[head:])
	unit, _ := cutString(rest)
	out = appendVarint(protowire.AppendTag(out, 1, protowire.VarintType), kind)
	out = appendVarint(protowire.AppendTag(out, 3, protowire.VarintType), ref(help))
	return appendVarint(protowire.AppendTag(out, 4, protowire.VarintType), ref(unit))
}
