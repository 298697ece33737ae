package wire

// An index finds numbers by the hash of what they stand for. It is a table
// with open addressing and linear probing that holds nothing but the numbers:
// four bytes per slot, nothing for the garbage collector to follow. Whoever
// uses it keeps the things themselves and compares them.
//
// The zero index is empty and ready.
type index struct {
	slots []uint32 // number + 2, or one of the two marks below; a power of two long
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
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; x.slots[i] != slotEmpty; i = (i + 1) & mask {
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
	mask := uint64(len(x.slots) - 1)
	i := hash & mask
	for x.slots[i] >= slotFirst {
		i = (i + 1) & mask
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
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; x.slots[i] != slotEmpty; i = (i + 1) & mask {
		if x.slots[i] == n+slotFirst {
			x.slots[i] = slotGrave
			x.live--
			return
		}
	}
}

// rebuild drops the graves and makes the table at most half full.
func (x *index) rebuild(hashOf func(n uint32) uint64) {
	old := x.slots
	size := 16
	for size < 2*(x.live+1) {
		size *= 2
	}
	*x = index{slots: make([]uint32, size)}
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
