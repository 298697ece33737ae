package queue

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	cursorMagic = "divvycur"
	slotBytes   = 28   // length of a slot
	slotStride  = 4096 // from one slot to the other: never in one sector
)

// A cursor is a persisted watermark: everything with a lower sequence number
// has been acked. The slot with the higher generation counts.
type cursor struct {
	generation uint64
	watermark  uint64
}

// decodeCursor reads the two slots of a cursor file. ok is false if neither
// checks; the cursor is then the zero cursor, the start of the log.
func decodeCursor(b []byte) (c cursor, ok bool) {
	for _, off := range []int{0, slotStride} {
		if s, good := decodeSlot(b, off); good && (!ok || s.generation > c.generation) {
			c, ok = s, true
		}
	}
	return c, ok
}

// decodeSlot reads the slot at off.
func decodeSlot(b []byte, off int) (cursor, bool) {
	if len(b) < off+slotBytes {
		return cursor{}, false
	}
	b = b[off : off+slotBytes]
	le := binary.LittleEndian
	if string(b[:8]) != cursorMagic || le.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) {
		return cursor{}, false
	}
	return cursor{generation: le.Uint64(b[8:]), watermark: le.Uint64(b[16:])}, true
}

// encode returns c as a slot.
func (c cursor) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint64([]byte(cursorMagic), c.generation)
	b = le.AppendUint64(b, c.watermark)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// offset is where c belongs in the file: slots are written in turns, so that a
// write that is cut short leaves the other.
func (c cursor) offset() int64 { return int64(c.generation%2) * slotStride }
