package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	headerBytes     = 56       // length of a record without its payload
	checkFrom       = 8        // where the part begins that the check covers
	maxPayloadBytes = 64 << 20 // a longer payload is a mistake of the caller
)

// mark begins each record. Its first byte occurs in no valid UTF-8.
var mark = []byte{0xF5, 'd', 'v', 'q'}

// castagnoli is the table of CRC-32C, which processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a record without its payload; package comment, "Format".
type header struct {
	seq              uint64
	minTime, maxTime int64 // Unix ms
	crc, length      uint32
	items            uint32
	lane, lanes      uint16
	kind             uint8
}

// size is the length of the whole record in its file.
func (h header) size() int64 { return headerBytes + int64(h.length) }

// record returns what Append was given.
func (h header) record(payload []byte) Record {
	return Record{
		Kind: h.kind, Lane: h.lane, Lanes: h.lanes, Items: h.items,
		MinTime: h.minTime, MaxTime: h.maxTime, Payload: payload,
	}
}

// appendRecord encodes r at the end of dst, without sequence number and check:
// they are given by stamp and seal, once the record's place is known.
func appendRecord(dst []byte, r Record) []byte {
	le := binary.LittleEndian
	dst = append(dst, mark...)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, crc32.Checksum(r.Payload, castagnoli))
	dst = le.AppendUint32(dst, uint32(len(r.Payload)))
	dst = le.AppendUint64(dst, 0)
	dst = le.AppendUint64(dst, uint64(r.MinTime))
	dst = le.AppendUint64(dst, uint64(r.MaxTime))
	dst = le.AppendUint32(dst, r.Items)
	dst = le.AppendUint16(dst, r.Lane)
	dst = le.AppendUint16(dst, r.Lanes)
	dst = append(dst, r.Kind, 0, 0, 0, 0, 0, 0, 0)
	return append(dst, r.Payload...)
}

// parseHeader reads the header at the start of b, unchecked.
func parseHeader(b []byte) header {
	le := binary.LittleEndian
	return header{
		crc: le.Uint32(b[8:]), length: le.Uint32(b[12:]), seq: le.Uint64(b[16:]),
		minTime: int64(le.Uint64(b[24:])), maxTime: int64(le.Uint64(b[32:])),
		items: le.Uint32(b[40:]), lane: le.Uint16(b[44:]), lanes: le.Uint16(b[46:]), kind: b[48],
	}
}

// headerCheck computes the check of the header at the start of b for a record
// at offset off of segment id.
func headerCheck(b []byte, id uint64, off int64) uint32 {
	place := (id*0x9E3779B97F4A7C15 ^ uint64(off)) * 0xD6E8FEB86659FD93
	return crc32.Checksum(b[checkFrom:headerBytes], castagnoli) ^ uint32(place>>32)
}

// headerAt reads the header at the start of b if it is whole and checks.
func headerAt(b []byte, id uint64, off int64) (header, bool) {
	if len(b) < headerBytes || !bytes.HasPrefix(b, mark) {
		return header{}, false
	}
	if binary.LittleEndian.Uint32(b[4:]) != headerCheck(b, id, off) {
		return header{}, false
	}
	return parseHeader(b), true
}

// findHeader returns the first place in b where a header checks, or -1, when
// b[0] is at offset off of segment id.
func findHeader(b []byte, id uint64, off int64) int {
	for i := 0; ; i++ {
		j := bytes.Index(b[i:], mark)
		if j < 0 {
			return -1
		}
		i += j
		if _, ok := headerAt(b[i:], id, off+int64(i)); ok {
			return i
		}
	}
}

// stamp numbers the records in buf from seq on and returns the next number.
func stamp(buf []byte, seq uint64) uint64 {
	for len(buf) > 0 {
		binary.LittleEndian.PutUint64(buf[16:], seq)
		seq++
		buf = buf[parseHeader(buf).size():]
	}
	return seq
}

// seal gives the records in buf the checks for offset off of segment id. It
// writes nothing but the checks, which nobody reads in memory.
func seal(buf []byte, id uint64, off int64) {
	for len(buf) > 0 {
		binary.LittleEndian.PutUint32(buf[4:], headerCheck(buf, id, off))
		n := parseHeader(buf).size()
		buf, off = buf[n:], off+n
	}
}

// encodedBytes returns the length of recs in a file.
func encodedBytes(recs []Record) (int, error) {
	n := 0
	for _, r := range recs {
		if len(r.Payload) > maxPayloadBytes {
			return 0, fmt.Errorf("append record of %d bytes: at most %d are allowed", len(r.Payload), maxPayloadBytes)
		}
		n += headerBytes + len(r.Payload)
	}
	return n, nil
}
