package inflate

import (
	"encoding/binary"
	"io"
)

const (
	// slack is the room that must be behind w for one round of symbols: two
	// literals and the longest match.
	slack = 2 + 258

	// stretch is how many bytes are written between two looks at the clock.
	stretch = 256 << 10
)

// grow makes room for n more bytes.
func (d *Decoder) grow(n int) {
	if len(d.out)-d.w >= n {
		return
	}
	d.out = append(d.out[:d.w], make([]byte, max(n, d.w/2))...)
	d.out = d.out[:cap(d.out)]
}

// huffman inflates the symbols of a block.
func (d *Decoder) huffman() error {
	for {
		d.grow(2 * slack)
		stop := min(len(d.out)-slack, d.w+stretch, d.bounds.Bytes)
		switch d.symbols(stop) {
		case blockEnded:
			return nil
		case noSymbol:
			return ErrCorrupt
		}
		if d.w >= d.bounds.Bytes {
			return ErrLimit
		}
		if err := d.onTime(); err != nil {
			return err
		}
		if !d.turn() {
			return io.ErrUnexpectedEOF
		}
	}
}

// An outcome is why a run of symbols is over.
type outcome int

const (
	paused     outcome = iota // stop was reached, or the place from which on turn is needed
	blockEnded                // the symbol for it came
	noSymbol                  // the input makes no sense
)

// symbols inflates until the output reaches stop, unless one of the other
// outcomes comes before. The state is in local variables, which the compiler
// keeps in registers; the input that it takes is
//
//	fill ─► literal? ─► literal? ─► literal or match ─► fill ─► distance ─► copy
//
// At most 22 bits are two literals and 20 a length, 28 a distance: a fill's 56
// are enough for what lies before the next.
func (d *Decoder) symbols(stop int) (end outcome) {
	in, out, lit, dist := d.in, d.out, &d.lit, &d.dist
	p, w, bits, n := d.p, d.w, d.bits, d.n
	for p <= len(in)-reach && w < stop {
		bits |= binary.LittleEndian.Uint64(in[p:]) << (n & 63)
		p += int((63 - n) >> 3)
		n |= 56

		e := lit[bits&(1<<litBits-1)]
		for range 2 {
			if e&literal == 0 {
				break
			}
			out[w] = byte(e >> 16)
			w++
			bits >>= e & takeMask
			n -= uint64(e & takeMask)
			e = lit[bits&(1<<litBits-1)]
		}
		if e&link != 0 {
			bits >>= e & takeMask
			n -= uint64(e & takeMask)
			e = lit[uint64(e>>16)+bits&(1<<(e>>8&15)-1)]
		}
		taken := bits
		bits >>= e & takeMask
		n -= uint64(e & takeMask)
		if e&(literal|special) != 0 {
			if e&literal != 0 {
				out[w] = byte(e >> 16)
				w++
				continue
			}
			end = noSymbol
			if e&endOfBlock != 0 {
				end = blockEnded
			}
			break
		}
		length := e.value(taken)

		bits |= binary.LittleEndian.Uint64(in[p:]) << (n & 63)
		p += int((63 - n) >> 3)
		n |= 56
		e = dist[bits&(1<<distBits-1)]
		if e&link != 0 {
			bits >>= e & takeMask
			n -= uint64(e & takeMask)
			e = dist[uint64(e>>16)+bits&(1<<(e>>8&15)-1)]
		}
		from := w - e.value(bits)
		bits >>= e & takeMask
		n -= uint64(e & takeMask)
		if e&special != 0 || from < d.start {
			end = noSymbol
			break
		}
		repeat(out, from, w, length)
		w += length
	}
	d.p, d.w, d.bits, d.n = p, w, bits, n
	return end
}

// repeat copies length bytes from from to w. Where the two overlap, the bytes
// in between repeat.
func repeat(out []byte, from, w, length int) {
	if from+length <= w {
		copy(out[w:w+length], out[from:from+length])
		return
	}
	for end := w + length; w < end; w++ {
		out[w] = out[from]
		from++
	}
}
