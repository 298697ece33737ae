package owner

import (
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// tokensPerNode is how many tokens a node has on the ring.
const tokensPerNode = 512

// A ring is the consistent hash ring of a set of names. It is immutable.
//
//	tokens   0x0028… 0x018f… 0x0a17… … 0xffa7…      ascending
//	names        2       0       2   …     1        whose token it is
//	first    index of the first token in each of 2^(64-shift) equal parts
//
// The successor of a key is the first token at or after it, around the end of
// the ring; first makes finding it one step instead of a binary search.
type ring struct {
	tokens []uint64
	names  []uint32
	first  []uint32
	shift  uint
}

// newRing returns the ring of names, which are sorted and distinct.
func newRing(names []string) *ring {
	n := len(names) * tokensPerNode
	parts := bits.Len(uint(n)) // 2^parts is more than n: about one token in two parts
	r := &ring{
		tokens: make([]uint64, n),
		names:  make([]uint32, n),
		first:  make([]uint32, 1<<parts+1),
		shift:  uint(64 - parts),
	}
	r.place(tokensOf(names))
	r.order()
	return r
}

// tokensOf returns the tokens of every name, one name after the other. Token t
// of a name is the XXH64 of the name followed by the bytes 0, 1, …, t mod 256.
func tokensOf(names []string) []uint64 {
	tokens := make([]uint64, 0, len(names)*tokensPerNode)
	var digest xxhash.Digest
	var step [1]byte
	for _, name := range names {
		digest.Reset()
		digest.WriteString(name)
		for t := range tokensPerNode {
			step[0] = byte(t)
			digest.Write(step[:])
			tokens = append(tokens, digest.Sum64())
		}
	}
	return tokens
}

// place puts each token into its part of the ring: a counting sort.
func (r *ring) place(tokens []uint64) {
	for _, t := range tokens {
		r.first[t>>r.shift+1]++
	}
	for i := 1; i < len(r.first); i++ {
		r.first[i] += r.first[i-1]
	}
	next := slices.Clone(r.first)
	for i, t := range tokens {
		at := next[t>>r.shift]
		next[t>>r.shift]++
		r.tokens[at], r.names[at] = t, uint32(i/tokensPerNode)
	}
}

// order sorts the few tokens within each part, equal ones by name.
func (r *ring) order() {
	for i := 1; i < len(r.tokens); i++ {
		for j := i; j > 0 && r.less(j, j-1); j-- {
			r.tokens[j], r.tokens[j-1] = r.tokens[j-1], r.tokens[j]
			r.names[j], r.names[j-1] = r.names[j-1], r.names[j]
		}
	}
}

func (r *ring) less(i, j int) bool {
	if r.tokens[i] != r.tokens[j] {
		return r.tokens[i] < r.tokens[j]
	}
	return r.names[i] < r.names[j]
}

// successor returns the index of the first token at or after key.
func (r *ring) successor(key Key) int {
	i := int(r.first[uint64(key)>>r.shift])
	for i < len(r.tokens) && r.tokens[i] < uint64(key) {
		i++
	}
	if i == len(r.tokens) {
		return 0
	}
	return i
}
