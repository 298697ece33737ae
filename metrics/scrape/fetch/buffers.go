package fetch

import (
	"math/bits"
	"sync"
)

// Buffers keeps byte slices for reuse, by size class: class i holds those with
// a capacity of at least 2^i bytes. Bodies differ in size by orders of magnitude
// from target to target, but hardly from scrape to scrape.
//
// Large ones are not kept. They are needed for a moment in an interval, so they
// are borrowed from the system, of about the size that is asked for, and given
// back. The garbage collector does not know of them: otherwise its heap, and
// with it the room that it leaves for garbage, would grow by the largest of all
// bodies for good.
//
// The zero Buffers is ready; any number of goroutines may use it. Nothing of a
// buffer may be used after Put: a large one is not mapped any more.
type Buffers struct {
	classes [largest + 1]sync.Pool

	mu     sync.Mutex
	mapped map[*byte][]byte // large buffers that are lent, by their first byte
}

// The least and the greatest capacity of a buffer that is kept, as classes.
const smallest, largest = 12, 20

// Get returns an empty slice with room for size bytes at least, if the system
// has as much. It is for what is likely to be filled: its memory is there at
// once, which costs half of what a fault for each page does.
func (p *Buffers) Get(size int) []byte { return p.get(size, true) }

// get is Get; present says whether the memory of a large buffer is to be there
// at once.
func (p *Buffers) get(size int, present bool) []byte {
	class := max(smallest, bits.Len(uint(size)))
	if size >= 1<<largest {
		return p.borrow(size+size/16, present) // the next body may have grown a little
	}
	if b, ok := p.classes[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// borrow returns a large buffer; one of the heap where the system gives none.
func (p *Buffers) borrow(size int, present bool) []byte {
	b, err := mapBytes(size, present)
	if err != nil {
		return make([]byte, 0, size)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mapped == nil {
		p.mapped = map[*byte][]byte{}
	}
	p.mapped[&b[0]] = b
	return b[:0]
}

// Grow returns a buffer with the bytes of b and room for size bytes in all, and
// takes b back. What a target has announced and not sent takes no memory.
func (p *Buffers) Grow(b []byte, size int) []byte {
	grown := append(p.get(size, false), b...)
	p.Put(b)
	return grown
}

// Put takes a slice back.
func (p *Buffers) Put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	switch {
	case cap(b) > 1<<largest:
		p.giveBack(&b[:1][0])
	case class >= smallest:
		p.classes[class].Put(&b)
	}
}

// giveBack returns the large buffer that begins at first to the system, if it
// is from there.
func (p *Buffers) giveBack(first *byte) {
	p.mu.Lock()
	b := p.mapped[first]
	delete(p.mapped, first)
	p.mu.Unlock()
	if b != nil {
		unmapBytes(b)
	}
}
