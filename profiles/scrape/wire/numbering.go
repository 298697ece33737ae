package wire

// A numbering finds the place of a thing by the number that a profile gives it.
// Numbers are mostly 1, 2, 3, …, and may be any.
type numbering struct {
	low  []uint32 // place + 1, by number; 0: none
	high map[uint64]uint32
}

// maxLow bounds what a table of low numbers takes.
const maxLow = 1 << 20

// reset forgets all numbers.
func (n *numbering) reset() {
	clear(n.low)
	n.low = n.low[:0]
	clear(n.high)
}

// set gives a thing at a place its number.
func (n *numbering) set(number uint64, place int) {
	if number >= maxLow {
		if n.high == nil {
			n.high = map[uint64]uint32{}
		}
		n.high[number] = uint32(place) + 1
		return
	}
	for uint64(len(n.low)) <= number {
		n.low = append(n.low, 0)
	}
	n.low[number] = uint32(place) + 1
}

// find returns the place of the thing with a number, or -1.
func (n *numbering) find(number uint64) int {
	if number < uint64(len(n.low)) {
		return int(n.low[number]) - 1
	}
	return int(n.high[number]) - 1
}
