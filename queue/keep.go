package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// keeper is what housekeeping knows. Open, Run and Close use it in turns.
type keeper struct {
	file vfs.File // the cursor; nil: not opened yet
	cur  cursor   // as persisted last
	bad  bool     // the cursor file is damaged, and to be kept
}

// Run keeps the log until ctx is done: every SyncEvery it syncs what was
// appended, writes what waits for a disk that refused, persists the cursor and
// deletes segments of which everything was acked.
func (l *Log) Run(ctx context.Context) {
	every := l.cfg.SyncEvery
	if every < 0 {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.keep()
		}
	}
}

// keep is one round of housekeeping. The order matters: the cursor moves over
// damage only after the file's name says that it is to be kept. The cursor goes
// before the deletions, but they do not depend on it: a full disk that cannot
// take it needs them, and a cursor that points at what is gone does no harm.
func (l *Log) keep() {
	c, err := l.heal()
	l.sync(c)
	if err != nil {
		return // is reported; without the directory there is nothing to do
	}
	l.persist()
	l.trim()
}

// chores is what is to be synced.
type chores struct {
	rolled []vfs.File // to be closed, too
	active vfs.File   // being written; nil: as it was
	names  bool       // those in the directory have changed
}

// heal writes what waits for the disk, marks damaged files, and returns what is
// to be synced. The error is that of claim.
func (l *Log) heal() (chores, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.claim(); err != nil {
		return chores{}, err
	}
	for g := l.firstWaiting(); g != nil; g = l.firstWaiting() {
		err := l.tryWrite(g)
		l.drop(g)
		if err != nil {
			break
		}
	}
	l.probe()
	for _, s := range l.segments(func(s *segment) bool { return s.damaged && !s.named }) {
		l.markDamaged(s)
	}
	c := chores{rolled: l.w.rolled, names: l.w.renamed}
	if l.w.unsynced {
		c.active = l.w.file
	}
	l.w.rolled, l.w.unsynced, l.w.renamed = nil, false, false
	return c, nil
}

// firstWaiting returns the oldest group that waits for the disk, held, or nil.
func (l *Log) firstWaiting() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.tail {
		if g.seg == nil {
			g.refs++
			return g
		}
	}
	return nil
}

// segments returns the segments for which keep is true.
func (l *Log) segments(keep func(*segment) bool) (list []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		if keep(s) {
			list = append(list, s)
		}
	}
	return list
}

// sync makes files and names survive a power cut. It does not take the turn to
// write, since a disk may take seconds over it.
func (l *Log) sync(c chores) {
	var errs []error
	never := l.cfg.SyncEvery < 0
	for _, f := range c.rolled {
		if !never {
			errs = append(errs, f.Sync())
		}
		errs = append(errs, f.Close())
	}
	if c.active != nil && !never {
		if err := c.active.Sync(); err != nil {
			errs = append(errs, err)
			l.distrust(c.active)
		}
	}
	if c.names && !never {
		errs = append(errs, l.cfg.FS.SyncDir(l.cfg.Dir))
	}
	l.report(partSync, errors.Join(errs...))
}

// distrust ends the segment in f, of which a sync failed: the kernel may have
// thrown away what it could not write, and would say nothing the next time.
func (l *Log) distrust(f vfs.File) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.w.file == f {
		l.endSegment()
	}
}

// persist writes the watermark if it has moved. The directory is claimed.
func (l *Log) persist() {
	l.mu.Lock()
	low := l.watermarkLocked()
	l.mu.Unlock()
	if l.k.file == nil || low != l.k.cur.watermark {
		l.report(partCursor, l.writeCursor(low))
	}
}

// writeCursor writes one slot, or both where the file is opened: then a full
// disk has no more to give.
func (l *Log) writeCursor(low uint64) error {
	slots := 1
	if l.k.file == nil {
		if err := l.openCursor(); err != nil {
			return fmt.Errorf("open cursor: %w", err)
		}
		slots = 2
	}
	for range slots {
		c := cursor{generation: l.k.cur.generation + 1, watermark: low}
		if _, err := l.k.file.WriteAt(c.encode(), c.offset()); err != nil {
			return fmt.Errorf("write cursor: %w", err)
		}
		if l.cfg.SyncEvery >= 0 {
			if err := l.k.file.Sync(); err != nil {
				return fmt.Errorf("write cursor: %w", err)
			}
		}
		l.k.cur = c
	}
	return nil
}

// openCursor opens the cursor for writing. A damaged one is kept.
func (l *Log) openCursor() (err error) {
	name := l.path("cursor")
	if l.k.bad {
		if err := l.cfg.FS.Rename(name, l.path("cursor.damaged")); err != nil {
			return err
		}
		l.k.bad = false
	}
	l.k.file, err = l.cfg.FS.Create(name, false)
	return err
}

// trim deletes the segments in front of which everything was acked.
func (l *Log) trim() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.tidy()
	for s := l.forgetAcked(); s != nil; s = l.forgetAcked() {
		l.discard(s)
	}
}

// forgetAcked takes the oldest segment from the log if all before its end was
// acked. Records that the reader never found there are lost.
func (l *Log) forgetAcked() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segs) == 0 || l.segs[0] == l.w.seg || l.segs[0].last >= l.watermarkLocked() {
		return nil
	}
	s := l.segs[0]
	l.segs = l.segs[1:]
	if s.left.records > 0 {
		s.damaged = true
		l.lost.DamagedRecords += l.undeliveredLocked(s).records
	}
	return s
}

// Close makes a last round of housekeeping and gives the directory up. Next and
// Run must have returned. The error tells what is lost because the disk did not
// take it.
func (l *Log) Close() error {
	l.keep()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.w.closed = true
	err := errors.Join(l.lostAtClose(), l.closeFiles())
	if err != nil {
		return fmt.Errorf("close log in %s: %w", l.cfg.Dir, err)
	}
	return nil
}

// lostAtClose tells what still waits for the disk.
func (l *Log) lostAtClose() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum amount
	for _, g := range l.tail {
		if g.seg == nil {
			sum.plus(amountOf(g.buf))
		}
	}
	if sum.records == 0 {
		return nil
	}
	return fmt.Errorf("%d records with %d items are lost: %w", sum.records, sum.items, l.faults.first())
}

// closeFiles closes what is open.
func (l *Log) closeFiles() error {
	var errs []error
	if l.w.file != nil {
		errs = append(errs, l.w.file.Close())
	}
	if l.k.file != nil {
		errs = append(errs, l.k.file.Close())
	}
	if l.r.seg != nil {
		l.closeReader()
	}
	if l.w.lock != nil {
		errs = append(errs, l.w.lock.Close())
	}
	return errors.Join(errs...)
}
