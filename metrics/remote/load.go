package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/queue"
)

// A record is one record of the log on its way to the receiver.
type record struct {
	seq              uint64
	kind             uint8
	body             []byte // snappy block of a whole request
	minTime, maxTime int64  // Unix ms
	counts
}

// errForeign says that a record of the log is not one that this package wrote.
var errForeign = errors.New("record has an unknown form")

// openRecord reads the frame that appendPayload wrote.
func openRecord(e queue.Entry) (record, error) {
	r := record{seq: e.Seq, kind: e.Kind, minTime: e.MinTime, maxTime: e.MaxTime}
	b := e.Payload
	for _, field := range []*int{&r.histograms, &r.exemplars, &r.metadata} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > math.MaxInt32 {
			return record{}, errForeign
		}
		*field, b = int(v), b[n:]
	}
	if r.kind < kindWrite1 || r.kind > kindMetadata1 {
		return record{}, errForeign
	}
	r.samples = max(0, int(e.Items)-r.histograms)
	r.body = b
	return r, nil
}

// A load is what one request carries: whole records of one kind, or some of
// the series of a single record.
type load struct {
	kind uint8
	counts
	recs   []record
	series [][]byte // encoded TimeSeries, with tags; nil: all of recs
	sym    []byte   // encoded symbols of a 2.0 record, where series is set
	body   []byte   // what is sent
}

// newLoad merges records of one kind; those of 2.0 come one at a time.
func newLoad(recs []record) load {
	l := load{kind: recs[0].kind, recs: recs}
	for _, r := range recs {
		l.counts = l.counts.plus(r.counts)
	}
	l.body = mergeBodies(recs)
	return l
}

// mergeBodies makes one snappy block of several without decoding them: a block
// is the decoded length and then elements that refer backwards only, and
// messages that follow each other are one message with all their fields.
func mergeBodies(recs []record) []byte {
	if len(recs) == 1 {
		return recs[0].body
	}
	total, size := uint64(0), binary.MaxVarintLen64
	for _, r := range recs {
		n, _ := binary.Uvarint(r.body)
		total += n
		size += len(r.body)
	}
	out := appendVarint(make([]byte, 0, size), total)
	for _, r := range recs {
		_, head := binary.Uvarint(r.body)
		out = append(out, r.body[max(head, 0):]...)
	}
	return out
}

// mergeable reports whether r may go into one request with first: the symbols
// of a 2.0 request are its own, and metadata is counted apart.
func mergeable(first, r record) bool {
	return first.kind == kindWrite1 && r.kind == kindWrite1
}

// ofSeries returns a load of some series of l, which was decoded.
func (l load) ofSeries(series [][]byte) load {
	out := load{kind: l.kind, recs: l.recs, series: series, sym: l.sym}
	request := append([]byte(nil), l.sym...)
	for _, s := range series {
		out.counts = out.counts.plus(countSeries(s, l.kind))
		request = append(request, s...)
	}
	out.body = s2.EncodeSnappy(nil, request)
	return out
}

// decoded returns l as a list of series. l is one record.
func (l load) decoded() (load, error) {
	if l.series != nil {
		return l, nil
	}
	request, err := s2.Decode(nil, l.body)
	if err != nil {
		return l, fmt.Errorf("decode record: %w", err)
	}
	l.sym, l.series, err = cutRequest(request, l.kind)
	return l, err
}

// halves returns l as two loads, or false if it is a single series.
func (l load) halves() (a, b load, ok bool, err error) {
	if n := len(l.recs) / 2; n > 0 {
		return newLoad(l.recs[:n]), newLoad(l.recs[n:]), true, nil
	}
	l, err = l.decoded()
	n := len(l.series) / 2
	if err != nil || n == 0 {
		return load{}, load{}, false, err
	}
	return l.ofSeries(l.series[:n]), l.ofSeries(l.series[n:]), true, nil
}

// cutRequest cuts a write request into the encoded symbols and the encoded
// series, tags included.
func cutRequest(request []byte, kind uint8) (sym []byte, series [][]byte, err error) {
	seriesField := protowire.Number(1)
	if kind == kindWrite2 {
		seriesField = 5
	}
	for len(request) > 0 {
		num, _, n := protowire.ConsumeField(request)
		if n < 0 {
			return nil, nil, fmt.Errorf("decode record: %w", protowire.ParseError(n))
		}
		switch {
		case num == seriesField:
			series = append(series, request[:n:n])
		case num == 4 && kind == kindWrite2:
			sym = append(sym, request[:n]...)
		}
		request = request[n:]
	}
	return sym, series, nil
}

// eachField calls f for the fields of a message; b is a field that holds it.
// value is the content of a field of bytes, and the raw bytes of another.
// What cannot be read ends the walk.
func eachField(b []byte, f func(num protowire.Number, value []byte)) {
	_, _, head := protowire.ConsumeTag(b)
	if head < 0 {
		return
	}
	msg, n := protowire.ConsumeBytes(b[head:])
	for n >= 0 && len(msg) > 0 {
		num, typ, head := protowire.ConsumeTag(msg)
		if head < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(num, typ, msg[head:])
		if size < 0 {
			return
		}
		value := msg[head : head+size]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		f(num, value)
		msg = msg[head+size:]
	}
}

// fieldsOf returns the numbers of samples, histograms and exemplars in a
// TimeSeries.
func fieldsOf(kind uint8) (samples, histograms, exemplars protowire.Number) {
	if kind == kindWrite2 {
		return 2, 3, 4
	}
	return 2, 4, 3
}

// countSeries says what one encoded TimeSeries holds.
func countSeries(b []byte, kind uint8) (c counts) {
	samples, histograms, exemplars := fieldsOf(kind)
	eachField(b, func(num protowire.Number, _ []byte) {
		switch num {
		case samples:
			c.samples++
		case histograms:
			c.histograms++
		case exemplars:
			c.exemplars++
		}
	})
	return c
}

// newestOf returns the time of the newest value in an encoded TimeSeries.
func newestOf(b []byte, kind uint8) int64 {
	samples, histograms, exemplars := fieldsOf(kind)
	newest := int64(math.MinInt64)
	eachField(b, func(num protowire.Number, value []byte) {
		at := protowire.Number(0)
		switch num {
		case samples:
			at = 2
		case exemplars:
			at = 3
		case histograms:
			at = 15
		default:
			return
		}
		newest = max(newest, timeIn(value, at))
	})
	return newest
}

// timeIn returns the integer in field at of a message.
func timeIn(msg []byte, at protowire.Number) (t int64) {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeField(msg)
		if n < 0 {
			return t
		}
		if num == at && typ == protowire.VarintType {
			_, _, head := protowire.ConsumeTag(msg)
			v, _ := protowire.ConsumeVarint(msg[head:])
			t = int64(v)
		}
		msg = msg[n:]
	}
	return t
}

// younger returns l without what is older than cutoff (Unix ms), and what that
// was. Records go whole; only a record that is alone is looked into.
func (l load) younger(cutoff int64) (rest load, old counts) {
	if l.series == nil {
		var keep []record
		for _, r := range l.recs {
			if r.maxTime < cutoff && r.kind != kindMetadata1 {
				old = old.plus(r.counts)
			} else {
				keep = append(keep, r)
			}
		}
		if len(keep) == 0 {
			return load{}, old
		}
		if len(keep) < len(l.recs) {
			return newLoad(keep), old
		}
		if len(keep) > 1 || keep[0].minTime >= cutoff || l.kind == kindMetadata1 {
			return l, old
		}
	}
	return l.youngerSeries(cutoff)
}

func (l load) youngerSeries(cutoff int64) (rest load, old counts) {
	d, err := l.decoded()
	if err != nil {
		return l, old
	}
	var keep [][]byte
	for _, s := range d.series {
		if newestOf(s, l.kind) < cutoff {
			old = old.plus(countSeries(s, l.kind))
		} else {
			keep = append(keep, s)
		}
	}
	switch len(keep) {
	case len(d.series):
		return l, old
	case 0:
		return load{}, old
	}
	return d.ofSeries(keep), old
}

// empty reports whether there is nothing to send.
func (l load) empty() bool { return l.body == nil }
