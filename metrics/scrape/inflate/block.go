package inflate

import (
	"encoding/binary"
	"io"
	"time"
)

// stream inflates the blocks of one deflate stream.
//
//	| last 1 | type 2 | block |
func (d *Decoder) stream() error {
	for last := false; !last; {
		if !d.turn() {
			return io.ErrUnexpectedEOF
		}
		d.fill()
		last = d.take(1) == 1
		err := d.block(d.take(2))
		switch {
		case d.ended():
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case d.w >= d.bounds.Bytes:
			return ErrLimit
		}
		if err := d.onTime(); err != nil {
			return err
		}
	}
	return nil
}

// block inflates one block of a type.
func (d *Decoder) block(kind int) error {
	switch kind {
	case 0:
		return d.stored()
	case 1:
		d.fixed()
		return d.huffman()
	case 2:
		if err := d.dynamic(); err != nil {
			return err
		}
		return d.huffman()
	}
	return ErrCorrupt
}

// onTime returns an error if the deadline has passed.
func (d *Decoder) onTime() error {
	if at := d.bounds.Deadline; !at.IsZero() && !time.Now().Before(at) {
		return ErrLate
	}
	return nil
}

// stored copies a block that is not compressed. It begins at a whole byte.
//
//	| length uint16 | ^length | bytes [length] |
func (d *Decoder) stored() error {
	at := d.offset()
	if len(d.src)-at < 4 {
		return io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint16(d.src[at:])
	if binary.LittleEndian.Uint16(d.src[at+2:]) != ^n {
		return ErrCorrupt
	}
	at += 4
	if len(d.src)-at < int(n) {
		return io.ErrUnexpectedEOF
	}
	d.grow(int(n) + slack)
	d.w += copy(d.out[d.w:], d.src[at:at+int(n)])
	d.read(d.src, at+int(n))
	return nil
}

// fixed makes the tables that need no description, unless they are there: a
// block may be ten bits long, and making them takes microseconds.
func (d *Decoder) fixed() {
	if d.isFixed {
		return
	}
	for i := range maxLit {
		switch {
		case i < 144:
			d.lengths[i] = 8
		case i < 256:
			d.lengths[i] = 9
		case i < 280:
			d.lengths[i] = 7
		default:
			d.lengths[i] = 8
		}
	}
	for i := range maxDist {
		d.lengths[maxLit+i] = 5
	}
	if !d.tables(maxLit, maxDist) {
		panic("BUG: the fixed codes are no codes")
	}
	d.isFixed = true
}

// tables makes the tables of codes whose lengths are known. It is false if
// they are no codes.
func (d *Decoder) tables(lits, dists int) bool {
	b := &d.building
	if !b.build(d.lit[:], litBits, d.lengths[:lits], litMeaning[:]) ||
		!b.build(d.dist[:], distBits, d.lengths[lits:lits+dists], distMeaning[:]) {
		return false
	}
	return true
}

// codeOrder is the order in which the lengths of the codes for lengths come.
var codeOrder = [maxCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic reads the description of a block's codes and makes the tables.
//
//	| lits-257 5 | dists-1 5 | codes-4 4 | lengths of codes 3 each | lengths |
func (d *Decoder) dynamic() error {
	lits, dists, codes := 257+d.take(5), 1+d.take(5), 4+d.take(4)
	if lits > 286 || dists > 30 {
		return ErrCorrupt
	}
	var order [maxCodes]uint8
	for i, s := range codeOrder[:codes] {
		if i%16 == 0 {
			if !d.turn() {
				return io.ErrUnexpectedEOF
			}
			d.fill()
		}
		order[s] = uint8(d.take(3))
	}
	if !d.building.build(d.codes[:], codeBits, order[:], codeMeaning[:]) {
		return ErrCorrupt
	}
	if err := d.readLengths(lits + dists); err != nil {
		return err
	}
	d.isFixed = false
	if !d.tables(lits, dists) {
		return ErrCorrupt
	}
	return nil
}

// readLengths reads the lengths of count codes. Three symbols repeat: the last
// length 3 to 6 times, or zero 3 to 10 or 11 to 138 times.
func (d *Decoder) readLengths(count int) error {
	for i := 0; i < count; {
		if !d.turn() {
			return io.ErrUnexpectedEOF
		}
		d.fill()
		e := d.codes[d.bits&(1<<codeBits-1)]
		if e&special != 0 {
			return ErrCorrupt
		}
		d.take(uint64(e & takeMask))
		length, times := uint8(e>>16), 0
		switch length {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			length, times = d.lengths[i-1], 3+d.take(2)
		case 17:
			length, times = 0, 3+d.take(3)
		case 18:
			length, times = 0, 11+d.take(7)
		default:
			d.lengths[i] = length
			i++
			continue
		}
		if i+times > count {
			return ErrCorrupt
		}
		for range times {
			d.lengths[i] = length
			i++
		}
	}
	return nil
}
