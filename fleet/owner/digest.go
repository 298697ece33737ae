package owner

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Digest sums up all that decides who owns what from t on: Views with equal
// digests name the same owner for every slot at or after t.
func (v View) Digest(t time.Time) uint64 {
	var sum xxhash.Digest
	sum.Reset()
	var b []byte
	for _, m := range v.members {
		if !m.Until.IsZero() && !t.Before(m.Until) {
			continue
		}
		b = append(append(b[:0], m.Name...), 0xFF)
		b = appendInstant(b, m.From, t)
		b = appendInstant(b, m.Until, t)
		if m.Foreign {
			b = append(b, 0xFF)
		}
		sum.Write(b)
	}
	if v.quorum.Size > 1 {
		b = binary.BigEndian.AppendUint64(b[:0], uint64(v.quorum.Size))
		b = binary.BigEndian.AppendUint64(b, uint64(v.quorum.Patience))
		if since, below := v.below(t); below && v.quorum.Patience > 0 {
			b = binary.BigEndian.AppendUint64(b, uint64(since.UnixMilli()))
		}
		sum.Write(b)
	}
	return sum.Sum64()
}

// appendInstant appends a date that lies after t; all others are one.
func appendInstant(b []byte, date, t time.Time) []byte {
	if !date.After(t) {
		return binary.BigEndian.AppendUint64(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(date.UnixMilli()))
}

// Quorum returns what WithQuorum was given.
func (v View) Quorum() Quorum { return v.quorum }

// A SetDigest sums up a set of keys, which may come in any order. Equal sets have
// equal digests; of two others one in 2^64 have. The zero SetDigest is that of no
// key.
type SetDigest uint64

// Add returns the digest of the set with one more key.
func (d SetDigest) Add(key Key) SetDigest {
	// Sums of keys would be equal for sets that differ by what they have too
	// many of; those of scattered keys are not.
	x := uint64(key) + 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return d + SetDigest(x^x>>31)
}
