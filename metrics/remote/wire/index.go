package wire

import "math/bits"

// An index finds numbers by the hash of what they stand for. It is a table
// with open addressing and linear probing that holds nothing but the numbers:
// four bytes per slot, nothing for the garbage collector to follow. Whoever
// uses it keeps the things themselves and compares them.
//
// The zero index is empty and ready.
type index struct {
	slots []uint32 // number + 2, or one of the two marks below
	live  int      // slots that hold a number
	taken int      // live slots and graves
}

const (
	slotEmpty = 0 // nothing here and nothing behind
	slotGrave = 1 // something was here: look further
	slotFirst = 2 // the number 0
)

// find returns the number with this hash for which same answers true.
func (x *index) find(hash uint64, same func(n uint32) bool) (n uint32, ok bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	for i := x.home(hash); x.slots[i] != slotEmpty; i = x.next(i) {
		if s := x.slots[i]; s >= slotFirst && same(s-slotFirst) {
			return s - slotFirst, true
		}
	}
	return 0, false
}

// add stores n, which must not be there yet. hashOf is asked for the hash of
// every number when the table has to grow.
func (x *index) add(hash uint64, n uint32, hashOf func(n uint32) uint64) {
	if 4*(x.taken+1) > 3*len(x.slots) {
		x.rebuild(hashOf)
	}
	x.put(hash, n)
}

// put stores n in the first slot that is free. There is one.
func (x *index) put(hash uint64, n uint32) {
	i := x.home(hash)
	for x.slots[i] >= slotFirst {
		i = x.next(i)
	}
	if x.slots[i] == slotEmpty {
		x.taken++
	}
	x.slots[i] = n + slotFirst
	x.live++
}

// remove takes n out, if it is there.
func (x *index) remove(hash uint64, n uint32) {
	if len(x.slots) == 0 {
		return
	}
	for i := x.home(hash); x.slots[i] != slotEmpty; i = x.next(i) {
		if x.slots[i] == n+slotFirst {
			x.slots[i] = slotGrave
			x.live--
			return
		}
	}
}

// home returns the slot where a hash is looked for first. It needs no power of
// two, so a table that outgrows its slots need not become twice as large.
func (x *index) home(hash uint64) int {
	i, _ := bits.Mul64(hash, uint64(len(x.slots)))
	return int(i)
}

// next returns the slot behind i.
func (x *index) next(i int) int {
	if i++; i < len(x.slots) {
		return i
	}
	return 0
}

// rebuild drops the graves and makes the table half full.
func (x *index) rebuild(hashOf func(n uint32) uint64) {
	old := x.slots
	*x = index{slots: make([]uint32, max(16, 2*(x.live+1)))}
	for _, s := range old {
		if s >= slotFirst {
			x.put(hashOf(s-slotFirst), s-slotFirst)
		}
	}
}

// reset empties the table and keeps its memory.
func (x *index) reset() {
	clear(x.slots)
	x.live, x.taken = 0, 0
}
