package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Baseline is the counters of one profile, by stack. It is made by a Differ,
// immutable, and the same bytes for every node:
//
//	version 1 | counters per stack | time of the profile, Unix ns, 8 bytes | stack …
//	stack = hash, 8 bytes | counters, varints
//
// An empty one is none.
type Baseline []byte

const (
	baselineVersion = 1
	baselineHead    = 10
)

// ParseBaseline checks bytes that another node says are a Baseline.
func ParseBaseline(b []byte) (Baseline, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < baselineHead || b[0] != baselineVersion || b[1] == 0 || b[1] > maxTypes {
		return nil, errors.New("baseline has an unknown version")
	}
	if err := Baseline(b).each(func(uint64, []int64) {}); err != nil {
		return nil, fmt.Errorf("read baseline: %w", err)
	}
	return b, nil
}

// newBaseline returns an empty one with room for some stacks.
func newBaseline(counters int, unixNano int64, stacks int) Baseline {
	b := make(Baseline, 0, baselineHead+stacks*(8+4*counters))
	b = append(b, baselineVersion, byte(counters))
	return binary.LittleEndian.AppendUint64(b, uint64(unixNano))
}

// add appends a stack.
func (b Baseline) add(hash uint64, counters []int64) Baseline {
	b = binary.LittleEndian.AppendUint64(b, hash)
	for _, v := range counters {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

// counters returns how many counters each stack has; 0: there is no baseline.
func (b Baseline) counters() int {
	if len(b) < baselineHead {
		return 0
	}
	return int(b[1])
}

// time returns when the profile was made, Unix ns, by the target's clock; 0:
// not known.
func (b Baseline) time() int64 {
	if len(b) < baselineHead {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[2:]))
}

// each calls see for every stack. It keeps neither of its arguments.
func (b Baseline) each(see func(hash uint64, counters []int64)) error {
	var counters [maxTypes]int64
	n := b.counters()
	if n == 0 || n > maxTypes {
		return nil
	}
	for rest := b[baselineHead:]; len(rest) > 0; {
		if len(rest) < 8 {
			return errors.New("it ends in the middle of a stack")
		}
		hash := binary.LittleEndian.Uint64(rest)
		rest = rest[8:]
		for i := range n {
			v, size := binary.Uvarint(rest)
			if size <= 0 {
				return errors.New("it ends in the middle of a counter")
			}
			counters[i], rest = int64(v), rest[size:]
		}
		see(hash, counters[:n])
	}
	return nil
}
