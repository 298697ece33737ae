package testbed

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/value"
)

// errWire is what a request that is no protobuf of the expected kind gives.
var errWire = errors.New("read a remote write request: malformed protobuf")

// A series is one entry of a remote write request, of either version. It is
// used again for the next entry: nothing of it may be kept.
type series struct {
	labels     [][2][]byte // name, value
	points     []Point
	histograms int
	exemplars  int
}

// A Point is one sample as it arrived.
type Point struct {
	T         int64 // Unix ms
	V         float64
	Histogram bool // V is the sum of a native histogram
}

// Stale reports whether p is a staleness marker.
func (p Point) Stale() bool { return value.IsStaleNaN(p.V) }

// label returns the value of the label name, or nil.
func (s *series) label(name string) []byte {
	for _, l := range s.labels {
		if string(l[0]) == name {
			return l[1]
		}
	}
	return nil
}

func (s *series) reset() {
	*s = series{labels: s.labels[:0], points: s.points[:0]}
}

// A field is one field of a protobuf message: num holds varints and fixed
// numbers, bytes what has a length.
type field struct {
	id    int
	num   uint64
	bytes []byte
}

// fields calls visit for every field of msg.
func fields(msg []byte, visit func(field) error) error {
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		if n <= 0 {
			return errWire
		}
		msg = msg[n:]
		f := field{id: int(tag >> 3)}
		var size int
		if f, size = readField(f, tag&7, msg); size < 0 {
			return errWire
		}
		msg = msg[size:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// readField fills f from the start of msg and returns how many bytes it took,
// or -1.
func readField(f field, kind uint64, msg []byte) (field, int) {
	switch {
	case kind == 0:
		var n int
		if f.num, n = binary.Uvarint(msg); n > 0 {
			return f, n
		}
	case kind == 1 && len(msg) >= 8:
		f.num = binary.LittleEndian.Uint64(msg)
		return f, 8
	case kind == 5 && len(msg) >= 4:
		f.num = uint64(binary.LittleEndian.Uint32(msg))
		return f, 4
	case kind == 2:
		size, n := binary.Uvarint(msg)
		if n > 0 && size <= uint64(len(msg)-n) {
			f.bytes = msg[n : n+int(size)]
			return f, n + int(size)
		}
	}
	return f, -1
}

// decodeV1 calls visit for every series of a prometheus.WriteRequest and
// returns the number of metadata entries.
//
//	WriteRequest {1 TimeSeries, 3 MetricMetadata}
//	TimeSeries   {1 Label {1 name, 2 value}, 2 Sample {1 value, 2 timestamp}, 3 Exemplar, 4 Histogram}
func decodeV1(msg []byte, visit func(*series) error) (metadata int, err error) {
	s := &series{}
	err = fields(msg, func(f field) error {
		switch f.id {
		case 1:
			s.reset()
			if err := fields(f.bytes, s.fieldV1); err != nil {
				return err
			}
			return visit(s)
		case 3:
			metadata++
		}
		return nil
	})
	return metadata, err
}

func (s *series) fieldV1(f field) error {
	switch f.id {
	case 1:
		var pair [2][]byte
		err := fields(f.bytes, func(f field) error {
			if f.id == 1 || f.id == 2 {
				pair[f.id-1] = f.bytes
			}
			return nil
		})
		s.labels = append(s.labels, pair)
		return err
	case 2:
		return s.sample(f.bytes)
	case 3:
		s.exemplars++
	case 4:
		return s.histogram(f.bytes)
	}
	return nil
}

// decodeV2 calls visit for every series of an io.prometheus.write.v2.Request.
// Labels are references into the table of symbols, which comes first.
//
//	Request    {4 symbols, 5 TimeSeries}
//	TimeSeries {1 labels_refs, 2 Sample {1 value, 2 timestamp}, 3 Histogram, 4 Exemplar, 5 Metadata}
func decodeV2(msg []byte, visit func(*series) error) (metadata int, err error) {
	s := &series{}
	var symbols [][]byte
	err = fields(msg, func(f field) error {
		switch f.id {
		case 4:
			symbols = append(symbols, f.bytes)
		case 5:
			s.reset()
			if err := fields(f.bytes, func(f field) error { return s.fieldV2(f, symbols, &metadata) }); err != nil {
				return err
			}
			return visit(s)
		}
		return nil
	})
	return metadata, err
}

func (s *series) fieldV2(f field, symbols [][]byte, metadata *int) error {
	switch f.id {
	case 1:
		return s.references(f.bytes, symbols)
	case 2:
		return s.sample(f.bytes)
	case 3:
		return s.histogram(f.bytes)
	case 4:
		s.exemplars++
	case 5:
		if len(f.bytes) > 0 {
			*metadata++
		}
	}
	return nil
}

// references appends the labels that the packed pairs of references name.
func (s *series) references(refs []byte, symbols [][]byte) error {
	var pair [2][]byte
	for i := 0; len(refs) > 0; i++ {
		ref, n := binary.Uvarint(refs)
		if n <= 0 || ref >= uint64(len(symbols)) {
			return errWire
		}
		refs = refs[n:]
		if pair[i%2] = symbols[ref]; i%2 == 1 {
			s.labels = append(s.labels, pair)
		}
	}
	return nil
}

func (s *series) sample(msg []byte) error {
	var p Point
	err := fields(msg, func(f field) error {
		switch f.id {
		case 1:
			p.V = math.Float64frombits(f.num)
		case 2:
			p.T = int64(f.num)
		}
		return nil
	})
	s.points = append(s.points, p)
	return err
}

// histogram reads the sum and the time of a native histogram, which both
// versions encode alike.
func (s *series) histogram(msg []byte) error {
	p := Point{Histogram: true}
	err := fields(msg, func(f field) error {
		switch f.id {
		case 3:
			p.V = math.Float64frombits(f.num)
		case 15:
			p.T = int64(f.num)
		}
		return nil
	})
	s.points = append(s.points, p)
	s.histograms++
	return err
}
