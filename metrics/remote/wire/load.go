package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/queue"
)

// A Record is one record of the log on its way to the receiver.
type Record struct {
	Seq              uint64
	Kind             uint8
	Body             []byte // snappy block of a whole request
	MinTime, MaxTime int64  // Unix ms
	Counts
}

// errForeign says that a record of the log is not one that this package wrote.
var errForeign = errors.New("record has an unknown form")

// OpenRecord reads what Block.Compress wrote.
func OpenRecord(e queue.Entry) (Record, error) {
	r := Record{Seq: e.Seq, Kind: e.Kind, MinTime: e.MinTime, MaxTime: e.MaxTime}
	b := e.Payload
	for _, field := range []*int{&r.Histograms, &r.Exemplars, &r.Metadata} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > math.MaxInt32 {
			return Record{}, errForeign
		}
		*field, b = int(v), b[n:]
	}
	if r.Kind < KindWrite1 || r.Kind > KindMetadata1 {
		return Record{}, errForeign
	}
	r.Samples = max(0, int(e.Items)-r.Histograms)
	r.Body = b
	return r, nil
}

// A Load is what one request carries: whole records of one kind, or some of
// the series of a single record.
type Load struct {
	Kind uint8
	Counts
	Recs   []Record
	Series [][]byte // encoded TimeSeries, with tags; nil: all of recs
	sym    []byte   // encoded symbols of a 2.0 record, where series is set
	Body   []byte   // what is sent
}

// NewLoad merges records of one kind; those of 2.0 come one at a time.
func NewLoad(recs []Record) Load {
	l := Load{Kind: recs[0].Kind, Recs: recs}
	for _, r := range recs {
		l.Counts = l.Counts.Plus(r.Counts)
	}
	l.Body = mergeBodies(recs)
	return l
}

// mergeBodies makes one snappy block of several without decoding them: a block
// is the decoded length and then elements that refer backwards only, and
// messages that follow each other are one message with all their fields.
func mergeBodies(recs []Record) []byte {
	if len(recs) == 1 {
		return recs[0].Body
	}
	total, size := uint64(0), binary.MaxVarintLen64
	for _, r := range recs {
		n, _ := binary.Uvarint(r.Body)
		total += n
		size += len(r.Body)
	}
	out := appendVarint(make([]byte, 0, size), total)
	for _, r := range recs {
		_, head := binary.Uvarint(r.Body)
		out = append(out, r.Body[max(head, 0):]...)
	}
	return out
}

// Mergeable reports whether r may go into one request with first: the symbols
// of a 2.0 request are its own, and metadata is counted apart.
func Mergeable(first, r Record) bool {
	return first.Kind == KindWrite1 && r.Kind == KindWrite1
}

// ofSeries returns a load of some series of l, which was decoded.
func (l Load) ofSeries(series [][]byte) Load {
	out := Load{Kind: l.Kind, Recs: l.Recs, Series: series, sym: l.sym}
	request := append([]byte(nil), l.sym...)
	for _, s := range series {
		out.Counts = out.Counts.Plus(countSeries(s, l.Kind))
		request = append(request, s...)
	}
	out.Body = s2.EncodeSnappy(nil, request)
	return out
}

// decoded returns l as a list of series. l is one record.
func (l Load) decoded() (Load, error) {
	if l.Series != nil {
		return l, nil
	}
	request, err := s2.Decode(nil, l.Body)
	if err != nil {
		return l, fmt.Errorf("decode record: %w", err)
	}
	l.sym, l.Series, err = cutRequest(request, l.Kind)
	return l, err
}

// Halves returns l as two loads, or false if it is a single series.
func (l Load) Halves() (a, b Load, ok bool, err error) {
	if n := len(l.Recs) / 2; n > 0 {
		return NewLoad(l.Recs[:n]), NewLoad(l.Recs[n:]), true, nil
	}
	l, err = l.decoded()
	n := len(l.Series) / 2
	if err != nil || n == 0 {
		return Load{}, Load{}, false, err
	}
	return l.ofSeries(l.Series[:n]), l.ofSeries(l.Series[n:]), true, nil
}

// cutRequest cuts a write request into the encoded symbols and the encoded
// series, tags included.
func cutRequest(request []byte, kind uint8) (sym []byte, series [][]byte, err error) {
	seriesField := protowire.Number(1)
	if kind == KindWrite2 {
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
		case num == 4 && kind == KindWrite2:
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
	if kind == KindWrite2 {
		return 2, 3, 4
	}
	return 2, 4, 3
}

// countSeries says what one encoded TimeSeries holds.
func countSeries(b []byte, kind uint8) (c Counts) {
	samples, histograms, exemplars := fieldsOf(kind)
	eachField(b, func(num protowire.Number, _ []byte) {
		switch num {
		case samples:
			c.Samples++
		case histograms:
			c.Histograms++
		case exemplars:
			c.Exemplars++
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

// Younger returns l without what is older than cutoff (Unix ms), and what that
// was. Records go whole; only a record that is alone is looked into.
func (l Load) Younger(cutoff int64) (rest Load, old Counts) {
	if l.Series == nil {
		var keep []Record
		for _, r := range l.Recs {
			if r.MaxTime < cutoff && r.Kind != KindMetadata1 {
				old = old.Plus(r.Counts)
			} else {
				keep = append(keep, r)
			}
		}
		if len(keep) == 0 {
			return Load{}, old
		}
		if len(keep) < len(l.Recs) {
			return NewLoad(keep), old
		}
		if len(keep) > 1 || keep[0].MinTime >= cutoff || l.Kind == KindMetadata1 {
			return l, old
		}
	}
	return l.youngerSeries(cutoff)
}

// youngerSeries is Younger for one record or part of one, series by series.
func (l Load) youngerSeries(cutoff int64) (rest Load, old Counts) {
	return l.Without(func(d Load, s []byte) bool { return d.Newest(s) < cutoff })
}

// Without returns l, which is one record or part of one, without the series
// that drop chooses, and what those had. drop is given l decoded and one of its
// Series. A record that cannot be decoded is left to the receiver.
func (l Load) Without(drop func(d Load, series []byte) bool) (rest Load, gone Counts) {
	d, err := l.decoded()
	if err != nil {
		return l, gone
	}
	var keep [][]byte
	for _, s := range d.Series {
		if drop(d, s) {
			gone = gone.Plus(countSeries(s, l.Kind))
		} else {
			keep = append(keep, s)
		}
	}
	switch len(keep) {
	case len(d.Series):
		return l, gone
	case 0:
		return Load{}, gone
	}
	return d.ofSeries(keep), gone
}

// Newest returns the time of the newest value in one of l's Series.
func (l Load) Newest(series []byte) int64 { return newestOf(series, l.Kind) }

// Empty reports whether there is nothing to send.
func (l Load) Empty() bool { return l.Body == nil }
