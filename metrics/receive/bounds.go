package receive

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// A shape says which fields of a message hold messages, and what one of them
// costs in memory when it is decoded, empty or not.
type shape map[protowire.Number]field

// A field is a repeated field of a message.
type field struct {
	bytes int   // of the decoded Go value, about
	inner shape // of the message in the field; nil if nothing in it is repeated
}

// Shapes of the two requests. Two bytes on the wire can be an element of three
// hundred in memory; only counting them first keeps a small request small.
var (
	histogramShape = shape{8: {bytes: 8}, 11: {bytes: 8}} // spans

	requestV1Shape = shape{
		1: {bytes: 128, inner: shape{ // series
			1: {bytes: 48},                               // labels
			2: {bytes: 32},                               // samples
			3: {bytes: 80, inner: shape{1: {bytes: 48}}}, // exemplars
			4: {bytes: 400, inner: histogramShape},
		}},
		3: {bytes: 96}, // metadata
	}
	requestV2Shape = shape{
		4: {bytes: 16}, // symbols
		5: {bytes: 256, inner: shape{ // series
			2: {bytes: 48}, // samples
			3: {bytes: 400, inner: histogramShape},
			4: {bytes: 80}, // exemplars
		}},
	}
)

// errTooLarge says that decoding a request would take more memory than it may.
var errTooLarge = errors.New("the request has too many elements")

// withinBudget checks the elements of msg against budget, in bytes of memory.
// It returns what is left of it, errTooLarge, or the error of bytes that are
// no message.
func (s shape) withinBudget(msg []byte, budget int) (int, error) {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		msg = msg[n:]
		n = protowire.ConsumeFieldValue(num, typ, msg)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		value := msg[:n]
		msg = msg[n:]
		f, counted := s[num]
		if !counted || typ != protowire.BytesType {
			continue
		}
		if budget -= f.bytes; budget < 0 {
			return 0, errTooLarge
		}
		if f.inner == nil {
			continue
		}
		inner, _ := protowire.ConsumeBytes(value)
		var err error
		if budget, err = f.inner.withinBudget(inner, budget); err != nil {
			return 0, err
		}
	}
	return budget, nil
}
