package queue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

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
	leftover []*segment // forgotten, and the disk refused to delete or rename their files
	tried    time.Time  // when a write was last tried
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
	l.wrote(err)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committedLocked(g)
	return nil
}

// wrote reports how writing went.
func (l *Log) wrote(err error) {
	l.w.tried = time.Now()
	l.report(partAppend, err)
}

// probeAfter is how long nothing is written to a disk that has refused before
// the log asks it again of its own accord.
const probeAfter = 5 * time.Second

// probe begins a segment if the disk has refused the last record and nothing
// has come since: what was refused may have been delivered from memory, and
// then nothing else would find out that the disk is well again.
func (l *Log) probe() {
	l.mu.Lock()
	refuses := l.faults.errs[partAppend] != nil && l.waitingBytes == 0
	l.mu.Unlock()
	if refuses && time.Since(l.w.tried) >= probeAfter {
		l.wrote(l.roll(l.w.nextSeq))
	}
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
// another name if it is damaged. What the disk refuses is tried again by tidy.
func (l *Log) discard(s *segment) {
	l.w.renamed = true
	err := l.tryDiscard(s)
	if err != nil {
		l.w.leftover = append(l.w.leftover, s)
	}
	l.tidied(err)
}

// tidy discards what could not be discarded before.
func (l *Log) tidy() {
	list := l.w.leftover
	l.w.leftover = nil
	var errs []error
	for _, s := range list {
		if err := l.tryDiscard(s); err != nil {
			l.w.leftover, errs = append(l.w.leftover, s), append(errs, err)
		}
	}
	if len(list) > 0 {
		l.w.renamed = true
		l.tidied(errors.Join(errs...))
	}
}

// tidied reports how a file was deleted or renamed. All is well once none is
// left over.
func (l *Log) tidied(err error) {
	if err != nil || len(l.w.leftover) == 0 {
		l.report(partRemove, err)
	}
}

// tryDiscard deletes or renames the file of s. A file that is gone is deleted.
func (l *Log) tryDiscard(s *segment) error {
	if s.damaged {
		return l.tryMark(s)
	}
	err := l.cfg.FS.Remove(l.path(s.name()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// markDamaged gives the file of s, which the log still has, a name that says
// that it is kept.
func (l *Log) markDamaged(s *segment) {
	if !s.named {
		l.tidied(l.tryMark(s))
	}
}

// tryMark gives the file of s its name as a damaged one.
func (l *Log) tryMark(s *segment) error {
	if s.named {
		return nil
	}
	if err := l.cfg.FS.Rename(l.path(s.name()), l.path(segmentName(s.id, true))); err != nil {
		return err
	}
	l.w.renamed = true
	l.mu.Lock()
	defer l.mu.Unlock()
	s.named = true
	return nil
}
