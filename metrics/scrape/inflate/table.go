package inflate

import "math/bits"

// An entry says what the code at the front of the input means.
//
//	         31           16 15   12 11     8  7   6   5          0
//	literal | byte          |       |        |   | 1 | bits to take |
//	match   | base          |       | bits c |   | 0 | bits to take |
//	link    | first entry   | 0 1 1 | bits i |   | 0 | bits to take |
//	end     |               | 1 0 1 |        |   | 0 | bits to take |
//	none    |               | 0 0 1 |        |   | 0 |              |
//
// A match has its extra bits behind the c bits of its code, and takes both. A
// link leads to the table of the codes that begin alike, whose index is the
// next i bits.
type entry uint32

const (
	takeMask = 63 // bits to take

	literal    entry = 1 << 6
	special    entry = 1 << 12 // neither literal nor match
	link       entry = 1 << 13
	endOfBlock entry = 1 << 14
)

// value is the base of a match with the extra bits that the input has.
func (e entry) value(bits uint64) int {
	return int(e>>16) + int(bits&(1<<(e&takeMask)-1)>>(e>>8&15))
}

const (
	maxLit    = 288 // literals, lengths, and two that only the fixed code has
	maxDist   = 32
	maxCodes  = 19 // of the lengths of codes
	maxLength = 15 // of a code, in bits

	litBits  = 11 // that index the table
	distBits = 9
	codeBits = 7

	// A code is complete, so that at least two codes share a linked table: half
	// as many as there are codes are enough, of the largest size.
	litTable  = 1<<litBits + maxLit/2<<(maxLength-litBits)
	distTable = 1<<distBits + maxDist/2<<(maxLength-distBits)
	codeTable = 1 << codeBits
)

// litMeaning, distMeaning and codeMeaning say what each symbol means.
var (
	litMeaning  = litSymbols()
	distMeaning = distSymbols()
	codeMeaning = codeSymbols()
)

// litSymbols are the bytes, the end of a block, and lengths.
func litSymbols() (m [maxLit]entry) {
	for i := range 256 {
		m[i] = entry(i)<<16 | literal
	}
	m[256] = special | endOfBlock
	length := 3
	for i := range 28 {
		extra := max(0, i/4-1)
		m[257+i] = match(length, extra)
		length += 1 << extra
	}
	m[285] = match(258, 0)
	m[286], m[287] = special, special
	return m
}

// distSymbols are distances. Two have no meaning.
func distSymbols() (m [maxDist]entry) {
	dist := 1
	for i := range 30 {
		extra := max(0, i/2-1)
		m[i] = match(dist, extra)
		dist += 1 << extra
	}
	m[30], m[31] = special, special
	return m
}

// codeSymbols are numbers up to 18.
func codeSymbols() (m [maxCodes]entry) {
	for i := range m {
		m[i] = match(i, 0)
	}
	return m
}

// match is an entry for base, to which extra bits are added.
func match(base, extra int) entry { return entry(base<<16 | extra) }

// of returns e for a code of n bits.
func (e entry) of(n int) entry {
	if e&(literal|special) != 0 {
		return e + entry(n)
	}
	return e + entry(n<<8|n)
}

// A builder makes tables. Only its memory lives on.
type builder struct {
	count  [maxLength + 1]int // codes of each length
	next   [maxLength + 1]int // where in sorted the next symbol of each length goes
	sorted [maxLit]uint16     // symbols with a code, by length
}

// build fills table, indexed by size bits, for the code whose symbols have
// lengths. It is false if these make no code. As compress/flate does, it takes
// a code of one symbol that has one bit, and one without symbols.
func (b *builder) build(table []entry, size int, lengths []uint8, meaning []entry) bool {
	used, left := b.sort(lengths)
	symbols := b.sorted[:used]
	switch {
	case left == 0:
		b.fill(table, size, symbols, meaning)
		return true
	case used > 1, used == 1 && b.count[1] == 0:
		return false
	}
	for i := range table[:1<<size] {
		table[i] = special
		if used == 1 && i%2 == 0 {
			table[i] = meaning[symbols[0]].of(1)
		}
	}
	return true
}

// sort counts the lengths and sorts the symbols that have one. It returns how
// many these are, and how much of the space of codes they leave unused: less
// than nothing if they are too many.
func (b *builder) sort(lengths []uint8) (used, left int) {
	b.count = [maxLength + 1]int{}
	for _, n := range lengths {
		b.count[n]++
	}
	b.count[0] = 0
	left = 1
	for n := 1; n <= maxLength; n++ {
		b.next[n] = used
		used += b.count[n]
		if left = left<<1 - b.count[n]; left < 0 {
			return used, left
		}
	}
	for s, n := range lengths {
		if n > 0 {
			b.sorted[b.next[n]] = uint16(s)
			b.next[n]++
		}
	}
	return used, left
}

// fill writes the entries of symbols, which are sorted by the length of their
// codes. Codes are read from their lowest bit, so they count up from the
// highest: the codes up to a length are a table that repeats with each further
// bit.
func (b *builder) fill(table []entry, size int, symbols []uint16, meaning []entry) {
	code := 0
	for n := 1; n <= size; n++ {
		for _, s := range symbols[:b.count[n]] {
			table[code] = meaning[s].of(n)
			code = following(code, n)
		}
		symbols = symbols[b.count[n]:]
		if n < size {
			copy(table[1<<n:2<<n], table[:1<<n])
		}
	}
	b.link(table, size, code, symbols, meaning)
}

// link writes the tables for the codes that are longer than size, the first of
// which is code. Each gets the same room, which is enough for the longest.
func (b *builder) link(table []entry, size, code int, symbols []uint16, meaning []entry) {
	more := maxLength - size
	free, front, linked := 1<<size, -1, table[:0]
	for n := size + 1; n <= maxLength; n++ {
		for _, s := range symbols[:b.count[n]] {
			if f := code & (1<<size - 1); f != front {
				front, linked = f, table[free:free+1<<more]
				table[front] = entry(free<<16|more<<8|size) | special | link
				free += len(linked)
			}
			for i := code >> size; i < len(linked); i += 1 << (n - size) {
				linked[i] = meaning[s].of(n - size)
			}
			code = following(code, n)
		}
		symbols = symbols[b.count[n]:]
	}
}

// following is the code of n bits, lowest bit first, that comes after code.
// After the last it is zero.
func following(code, n int) int {
	free := ^code & (1<<n - 1)
	if free == 0 {
		return 0
	}
	bit := 1 << (bits.Len(uint(free)) - 1)
	return code&(bit-1) | bit
}
