// Package queue is a first-in, first-out log of blocks that is kept on disk
// until somebody has acknowledged them.
//
// A Log owns one directory. Append adds records with one write(2); Next hands
// them out in order, from memory while they are fresh and from the file
// otherwise; Ack says that a record has arrived, in any order. The low
// watermark, below which everything has been acked, is persisted each second,
// and delivery resumes there after a restart: at least once, and in order.
//
//	0000000001.log   segments: oldest first, the last one is being written
//	0000000002.log
//	0000000000.damaged  a segment in which damage was found; kept when done with
//	cursor           the watermark, in two slots
//	lock             held (flock) while a Log is open
//
// # Format
//
// All numbers are little-endian, all checks CRC-32C. A segment begins with
//
//	| "divvylog" | version uint32 | check uint32 | id uint64 | first uint64 |
//
// where id is the number in the file's name, first the sequence number of its
// first record, and check covers all but itself. Records follow without gaps:
//
//	 0  mark    [4]byte  F5 64 76 71
//	 4  check   uint32   of bytes 8 to 55, mixed with id and the offset in the file
//	 8  crc     uint32   of the payload
//	12  length  uint32   of the payload
//	16  seq     uint64   rises by one, with gaps
//	24  min     int64    Unix ms
//	32  max     int64    Unix ms
//	40  items   uint32
//	44  lane    uint16
//	46  lanes   uint16
//	48  kind    uint8
//	49  zero    [7]byte
//	56  payload [length]byte
//
// Where no header checks, the reader looks for the next mark whose header does;
// since the check knows its place, a copy of a record inside a payload is not
// taken for one. The cursor has slots at 0 and 4096, written in turns:
//
//	| "divvycur" | generation uint64 | watermark uint64 | check uint32 |
//
// # Invariants
//
// Invariant: what Next returns was given to Append, whole, and in that order.
// Invariant: once Append returned nil, kill -9 does not lose the records, unless
// Stats says that the disk is not taking them (Degraded).
// Invariant: nothing that was not acked is deleted, but for MaxBytes; damage is
// never deleted, and never keeps a Log from opening.
// Invariant: a damaged record costs itself, never the segment.
// Invariant: a Log does not write to a file that it did not make, the cursor
// apart: each Open begins a new segment.
//
// # Assumptions and limitations
//
// The disk keeps in order what one file is given until the power fails, and
// tells the truth about fsync; a sector of the cursor is written whole or not.
// A power cut loses at most what was appended since the last fsync (SyncEvery).
// Files of damaged segments do not count against MaxBytes and are for a person
// to look at and delete. A file cut short in its last record looks like what a
// crash leaves, and is not reported. Records that wait for a disk that refuses
// are lost with the process. Open reads the header of each record that is left. A
// directory that cannot be listed makes a Log of memory alone, until the next
// Open. It is not a message broker: there is one consumer, no topics, no seeking.
package queue
