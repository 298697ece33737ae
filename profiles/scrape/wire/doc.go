// Package wire works on profiles in the format of pprof as they come: it checks
// them, and makes the difference of two, without decoding what it need not
// look at. Nothing here talks to anybody or reads a clock.
//
//	Check   a profile in whatever size, as a stream: is it one, and is it whole
//	Differ  what has been added to counters since the profile before
//
// Some profiles of Go count from the start of the process: what was allocated,
// where it was waited. A server wants to know what has happened since the
// profile before. What is needed for that is a Baseline: for each stack its
// counters, in some 14 bytes. It means the same on every machine, so that it
// can be handed over with its target.
//
//	profile k-1 ─► Baseline ─┐
//	profile k   ─────────────┴─► delta of k, Baseline of k
//
// A stack is the same one if its addresses, functions, lines and labels are. A
// counter that has fallen means that the process began anew; then everything is
// counted from zero, which is what the new process has done.
//
// Invariant: the sum of all deltas and the first baseline is the last profile,
// as long as its process lives.
// Invariant: whatever the bytes, the work is bounded by their number, and so is
// the memory.
package wire

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of a Profile.
const (
	fieldSampleType    = 1
	fieldSample        = 2
	fieldMapping       = 3
	fieldLocation      = 4
	fieldFunction      = 5
	fieldString        = 6
	fieldDropFrames    = 7
	fieldKeepFrames    = 8
	fieldTime          = 9
	fieldDuration      = 10
	fieldPeriodType    = 11
	fieldComment       = 13
	fieldDefaultSample = 14
	fieldDocURL        = 15
)

// maxItems bounds samples, locations, functions and strings, each.
const maxItems = 1 << 19

var (
	errTruncated = errors.New("not a profile: it ends in the middle")
	errItems     = errors.New("profile has too many samples, locations, functions or strings")
)

// A field is one field of a message: a number, or bytes.
type field struct {
	number protowire.Number
	value  uint64 // of a varint
	bytes  []byte // of a message, a string, or packed numbers; nil: it has a value
	raw    []byte // with its tag
}

// next takes the first field off b. Those of the fixed sizes, which profiles do
// not have, come without a value.
func next(b []byte) (f field, rest []byte, err error) {
	number, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, nil, errTruncated
	}
	m := 0
	switch f.number = number; typ {
	case protowire.VarintType:
		f.value, m = protowire.ConsumeVarint(b[n:])
	case protowire.BytesType:
		f.bytes, m = protowire.ConsumeBytes(b[n:])
	case protowire.Fixed32Type, protowire.Fixed64Type:
		m = protowire.ConsumeFieldValue(number, typ, b[n:])
	default:
		return f, nil, errNotProfile
	}
	if m < 0 {
		return f, nil, errTruncated
	}
	f.raw = b[:n+m]
	return f, b[n+m:], nil
}

// each calls see for every field of b, until one of them fails.
func each(b []byte, see func(f field) error) error {
	for len(b) > 0 {
		f, rest, err := next(b)
		if err == nil {
			err = see(f)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// numbers calls see for every number of a repeated field, which may be packed.
func numbers(f field, see func(v uint64)) error {
	if f.bytes == nil {
		see(f.value)
		return nil
	}
	for b := f.bytes; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return errTruncated
		}
		see(v)
		b = b[n:]
	}
	return nil
}
