package queue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/divvy-collector/divvy/vfs"
)

// writer is what the one who has the turn to write knows. Log.writing guards it.
type writer struct {
	lock     io.Closer  // nil: the directory is not claimed yet
	blind    error      // why the directory was not recovered: it must not be written
	file     vfs.File   // of seg; nil: the next group begins a segment
	seg      *segment   // being written
	rolled   []vfs.File // to be synced and closed by the keeper
	nextID   uint64     // of the next segment
	nextSeq  uint64     // of the next record
	unsynced bool       // file has bytes that were not synced
	renamed  bool       // names in the directory were not synced
	closed   bool
}

// Append adds records, all or none, in one write. Once it returns nil they
// survive kill -9, unless the disk refuses: then they wait in memory, are
// handed out all the same, and reach the disk once it takes them again. The
// error is ErrFull if neither takes them, ErrClosed, or for a huge Payload.
func (l *Log) Append(recs ...Record) error {
	n, err := encodedBytes(recs)
	if n == 0 || err != nil {
		return err
	}
	g := l.fetchGroup(n)
	for _, r := range recs {
		g.buf = appendRecord(g.buf, r)
	}
	if err := l.place(g); err != nil {
		l.drop(g)
		return err
	}
	l.signal()
	return nil
}

// End returns the sequence number that the next record will have.
func (l *Log) End() uint64 {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.w.nextSeq
}

// place numbers the records of g and finds them a place, on disk or in memory.
// After an error the caller still holds g.
func (l *Log) place(g *group) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.w.closed {
		return ErrClosed
	}
	next := stamp(g.buf, l.w.nextSeq)
	g.first, g.last = l.w.nextSeq, next-1
	if l.waiting() || l.tryWrite(g) != nil {
		if err := l.wait(g); err != nil {
			return err
		}
	}
	l.w.nextSeq = next
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backlog.plus(amountOf(g.buf))
	l.pushLocked(g)
	return nil
}

// waiting reports whether older groups wait for the disk.
func (l *Log) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waitingBytes > 0
}

// wait reports whether g may wait in memory.
func (l *Log) wait(g *group) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waitingBytes+int64(len(g.buf)) <= l.cfg.MaxMemoryBytes {
		return nil
	}
	l.lost.RefusedItems += amountOf(g.buf).items
	return ErrFull
}

// amountOf sums up the records in buf.
func amountOf(buf []byte) (sum amount) {
	for len(buf) > 0 {
		h := parseHeader(buf)
		sum.add(h)
		buf = buf[h.size():]
	}
	return sum
}

// tryWrite puts g on disk. The caller has the turn to write.
func (l *Log) tryWrite(g *group) error {
	if err := l.claim(); err != nil {
		return err // is reported
	}
	err := l.write(g)
	l.report(partAppend, err)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committedLocked(g)
	return nil
}

// write appends g to the segment that is being written, or to a new one.
func (l *Log) write(g *group) error {
	n := int64(len(g.buf))
	l.dropOldest(n + segmentHeaderBytes)
	if s := l.w.seg; s == nil || s.size+n > l.cfg.SegmentBytes {
		if err := l.roll(g.first); err != nil {
			return fmt.Errorf("begin segment: %w", err)
		}
	}
	seal(g.buf, l.w.seg.id, l.w.seg.size)
	if _, err := l.w.file.WriteAt(g.buf, l.w.seg.size); err != nil {
		l.abandon()
		return fmt.Errorf("append to segment: %w", err)
	}
	l.w.unsynced = true
	return nil
}

// committedLocked takes into account that g is on disk. Records that were acked
// while they waited are not counted as left.
func (l *Log) committedLocked(g *group) {
	s := l.w.seg
	g.seg, g.off = s, s.size
	s.size += int64(len(g.buf))
	s.last = g.last
	for buf := g.buf; len(buf) > 0; {
		h := parseHeader(buf)
		if h.seq >= l.next || l.flights.find(h.seq) != nil {
			if s.left.records == 0 {
				s.oldest = h.minTime
			}
			s.left.add(h)
		}
		buf = buf[h.size():]
	}
	if g.queued {
		l.waitingBytes -= int64(len(g.buf))
		l.freshBytes += int64(len(g.buf))
		l.trimTailLocked()
	}
}

// roll begins a segment whose first record will be first.
func (l *Log) roll(first uint64) error {
	s := &segment{id: l.w.nextID, start: segmentHeaderBytes, size: segmentHeaderBytes, first: first, last: first - 1}
	name := l.path(s.name())
	f, err := l.cfg.FS.Create(name, true)
	if errors.Is(err, fs.ErrExist) { // somebody else's: step over it
		l.w.nextID++
	}
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(encodeSegmentHeader(s.id, first), 0); err != nil {
		_ = f.Close() // there is nothing in it
		_ = l.cfg.FS.Remove(name)
		return err
	}
	l.endSegment()
	l.w.file, l.w.seg, l.w.renamed = f, s, true
	l.w.nextID++
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs = append(l.segs, s)
	return nil
}

// endSegment leaves the file that is being written to the keeper.
func (l *Log) endSegment() {
	if l.w.file != nil {
		l.w.rolled = append(l.w.rolled, l.w.file)
	}
	l.w.file, l.w.seg = nil, nil
}

// abandon ends a segment in which a write failed: what is behind its last
// record is unknown. Without any record the file goes, too.
func (l *Log) abandon() {
	s := l.w.seg
	l.endSegment()
	if s.size > s.start {
		return
	}
	l.mu.Lock()
	l.segs = slices.DeleteFunc(l.segs, func(o *segment) bool { return o == s })
	l.mu.Unlock()
	_ = l.cfg.FS.Remove(l.path(s.name())) // Open removes it otherwise
}

// dropOldest makes room for n more bytes under MaxBytes.
func (l *Log) dropOldest(n int64) {
	for {
		s := l.forgetOldest(n)
		if s == nil {
			return
		}
		l.discard(s)
	}
}

// forgetOldest takes the oldest segment from the log if there is no room for n
// more bytes, and counts what nobody was handed of it.
func (l *Log) forgetOldest(n int64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segs) == 0 || l.segs[0] == l.w.seg || l.diskBytesLocked()+n <= l.cfg.MaxBytes {
		return nil
	}
	s := l.segs[0]
	l.segs = slices.Delete(l.segs, 0, 1)
	gone := l.undeliveredLocked(s)
	l.lost.DroppedRecords += gone.records
	l.lost.DroppedItems += gone.items
	l.next = max(l.next, s.last+1)
	l.trimTailLocked()
	return s
}

// undeliveredLocked takes from the backlog, and returns, what is left of s
// without the records in flight.
func (l *Log) undeliveredLocked(s *segment) amount {
	gone := s.left
	gone.minus(l.flights.between(s.first, s.last))
	s.left.minus(gone)
	l.backlog.minus(gone)
	return gone
}

// discard deletes the file of s, which the log has forgotten, or keeps it under
// another name if it is damaged.
func (l *Log) discard(s *segment) {
	l.w.renamed = true
	if s.damaged {
		l.markDamaged(s)
		return
	}
	l.report(partRemove, l.cfg.FS.Remove(l.path(s.name())))
}

// markDamaged gives the file of s a name that says that it is kept.
func (l *Log) markDamaged(s *segment) {
	if s.named {
		return
	}
	err := l.cfg.FS.Rename(l.path(s.name()), l.path(segmentName(s.id, true)))
	l.report(partRemove, err)
	if err != nil {
		return
	}
	l.w.renamed = true
	l.mu.Lock()
	defer l.mu.Unlock()
	s.named = true
}
