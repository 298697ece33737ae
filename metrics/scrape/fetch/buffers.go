package fetch

import (
	"math/bits"
	"sync"
)

// Buffers keeps byte slices for reuse, by size class: class i holds those with
// a capacity of at least 2^i bytes. Bodies differ in size by orders of magnitude
// from target to target, but hardly from scrape to scrape. The zero Buffers is
// ready; any number of goroutines may use it.
type Buffers [25]sync.Pool

// smallest is the least capacity of a buffer, as a class.
const smallest = 12

// Get returns an empty slice with room for size bytes, if size is not extreme.
func (p *Buffers) Get(size int) []byte {
	class := min(max(smallest, bits.Len(uint(size))), len(p)-1)
	if b, ok := p[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// Put takes a slice back.
func (p *Buffers) Put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if class >= smallest && class < len(p) {
		p[class].Put(&b)
	}
}
