package queue

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/divvy-collector/divvy/vfs"
)

const (
	segmentMagic       = "divvylog"
	segmentVersion     = 1
	segmentHeaderBytes = 32

	liveSuffix    = ".log"
	damagedSuffix = ".damaged"
)

// amount is how much of something there is.
type amount struct {
	records, items, bytes int64 // bytes of payload
}

func (a *amount) add(h header)    { a.records++; a.items += int64(h.items); a.bytes += int64(h.length) }
func (a *amount) remove(h header) { a.records--; a.items -= int64(h.items); a.bytes -= int64(h.length) }
func (a *amount) minus(b amount)  { a.records -= b.records; a.items -= b.items; a.bytes -= b.bytes }
func (a *amount) plus(b amount)   { a.records += b.records; a.items += b.items; a.bytes += b.bytes }

// A segment is a file of records. Log.mu guards it, id apart, which is fixed.
type segment struct {
	id      uint64
	start   int64  // offset of the first record
	size    int64  // bytes that may be read
	first   uint64 // lowest sequence number that may be in it
	last    uint64 // sequence number of the last record, here or, without any, before
	oldest  int64  // MinTime of the first record not acked at Open, Unix ms
	left    amount // records not acked
	read    int64  // Next's: records before this offset were handed out
	gaps    []gap  // what Open took for damage, and has counted
	damaged bool   // to be kept
	named   bool   // the file's name says so
}

// name returns the name of the segment's file, without the directory.
func (s *segment) name() string { return segmentName(s.id, s.named) }

func segmentName(id uint64, damaged bool) string {
	if damaged {
		return fmt.Sprintf("%010d%s", id, damagedSuffix)
	}
	return fmt.Sprintf("%010d%s", id, liveSuffix)
}

// parseSegmentName is the inverse of segmentName; ok is false for other names.
func parseSegmentName(name string) (id uint64, damaged, ok bool) {
	digits, damaged := strings.CutSuffix(name, damagedSuffix)
	id, err := strconv.ParseUint(strings.TrimSuffix(digits, liveSuffix), 10, 64)
	return id, damaged, err == nil && segmentName(id, damaged) == name
}

// encodeSegmentHeader returns the first bytes of segment id.
func encodeSegmentHeader(id, first uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(segmentMagic), segmentVersion)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, id)
	b = le.AppendUint64(b, first)
	le.PutUint32(b[12:], segmentCheck(b))
	return b
}

// segmentCheck is the check of a segment header, which leaves itself out.
func segmentCheck(b []byte) uint32 {
	sum := crc32.Checksum(b[:12], castagnoli)
	return crc32.Update(sum, castagnoli, b[16:segmentHeaderBytes])
}

// What the first bytes of a file say about it.
type kinship int

const (
	unknown kinship = iota // no header that checks: records may follow all the same
	ours                   // a segment of this version
	unborn                 // cut short within the header: no record was ever in it
	foreign                // a segment of another version
)

// decodeSegmentHeader reads the first bytes of the file that is named id.
func decodeSegmentHeader(b []byte, id uint64) (first uint64, kin kinship) {
	if len(b) < segmentHeaderBytes {
		if strings.HasPrefix(segmentMagic, string(b[:min(len(b), len(segmentMagic))])) {
			return 0, unborn
		}
		return 0, unknown
	}
	le := binary.LittleEndian
	switch {
	case string(b[:8]) != segmentMagic || le.Uint32(b[12:]) != segmentCheck(b) || le.Uint64(b[16:]) != id:
		return 0, unknown
	case le.Uint32(b[8:]) != segmentVersion:
		return 0, foreign
	}
	return le.Uint64(b[24:]), ours
}

// A gap is a part of a segment in which Open found no header that checks.
type gap struct{ from, to int64 }

// inGap reports whether off is in what Open took for damage.
func (s *segment) inGap(off int64) bool {
	return slices.ContainsFunc(s.gaps, func(g gap) bool { return g.from <= off && off < g.to })
}

// scan reads the headers of all records of the segment in f, and counts those
// that are not below watermark. A record that an earlier segment has too, after
// a write that failed half-way, is left to that one.
func (s *segment) scan(f vfs.File, watermark uint64) {
	sc := &scanner{f: f, id: s.id, size: s.size}
	for off := s.start; ; {
		h, at, ok := sc.locate(off)
		if at > off {
			s.gaps = append(s.gaps, gap{off, at})
		}
		if !ok {
			return
		}
		if h.seq > s.last {
			s.note(h, watermark)
		}
		off = at + h.size()
	}
}

// note takes a record into account that scan found.
func (s *segment) note(h header, watermark uint64) {
	s.last = h.seq
	if h.seq < watermark {
		return
	}
	if s.left.records == 0 {
		s.oldest = h.minTime
	}
	s.left.add(h)
}
