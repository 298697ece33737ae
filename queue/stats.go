package queue

import "time"

// A part is something that the disk does for a Log and may fail to do.
type part int

const (
	partDir    part = iota // make, lock and list the directory
	partAppend             // write records
	partSync               // fsync
	partCursor             // write the cursor
	partRemove             // delete or rename what is done with
	parts
)

// faults is what the disk fails to do at present. Log.mu guards it.
type faults struct {
	errs  [parts]error
	since time.Time // when the first of errs came up
}

// set records the outcome of p and reports whether that is news.
func (f *faults) set(p part, err error, now time.Time) bool {
	news := (err == nil) != (f.errs[p] == nil)
	if err != nil && f.first() == nil {
		f.since = now
	}
	f.errs[p] = err
	return news
}

// first returns the error to show, or nil.
func (f *faults) first() error {
	for _, err := range f.errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// report notes the outcome of something that the disk was to do, and logs it
// when it changes.
func (l *Log) report(p part, err error) {
	l.mu.Lock()
	news := l.faults.set(p, err, time.Now())
	l.mu.Unlock()
	switch {
	case news && err != nil:
		l.cfg.Log.Warn("log of blocks: the disk refuses", "dir", l.cfg.Dir, "err", err)
	case news:
		l.cfg.Log.Info("log of blocks: the disk works again", "dir", l.cfg.Dir)
	}
}

// Stats is a snapshot of a Log. Counts of what went wrong begin at Open.
type Stats struct {
	Records, Items, Bytes int64     // accepted and not acked; Bytes are payloads
	InFlight              int       // of Records: handed out by Next
	OldestTime            int64     // MinTime of about the oldest record not acked, Unix ms, rather too old; 0: none
	Watermark             uint64    // every record with a lower Seq was acked
	DiskBytes             int64     // in segments
	MemoryBytes           int64     // waiting for a disk that refuses
	Segments              int       // files on disk
	DroppedRecords        int64     // lost to MaxBytes
	DroppedItems          int64     // in them
	RefusedItems          int64     // refused with ErrFull
	DamagedRecords        int64     // damaged; a stretch without a readable header counts as one
	DamagedBytes          int64     // length of what was damaged
	SetAside              int       // files in the directory that Open could not read as a segment
	Degraded              error     // what the disk fails to do; nil: nothing
	DegradedSince         time.Time // when that began
}

// Stats returns a snapshot.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.lost
	s.Records, s.Items, s.Bytes = l.backlog.records, l.backlog.items, l.backlog.bytes
	s.InFlight = l.flights.open
	s.OldestTime = l.oldestLocked()
	s.Watermark = l.watermarkLocked()
	s.DiskBytes = l.diskBytesLocked()
	s.MemoryBytes = l.waitingBytes
	s.Segments = len(l.segs)
	if s.Degraded = l.faults.first(); s.Degraded != nil {
		s.DegradedSince = l.faults.since
	}
	return s
}

// watermarkLocked returns the lowest sequence number that was not acked.
func (l *Log) watermarkLocked() uint64 {
	if live := l.flights.live(); len(live) > 0 {
		return live[0].h.seq
	}
	return l.next
}

// oldestLocked looks where the oldest record can be: in flight, in the first
// segment that has any left, in the first group of the tail.
func (l *Log) oldestLocked() int64 {
	if live := l.flights.live(); len(live) > 0 {
		return live[0].h.minTime
	}
	if l.backlog.records == 0 {
		return 0
	}
	for _, s := range l.segs {
		if s.left.records > 0 {
			return max(s.oldest, l.handedTime)
		}
	}
	if len(l.tail) > 0 {
		return parseHeader(l.tail[0].buf).minTime
	}
	return 0
}

func (l *Log) diskBytesLocked() (sum int64) {
	for _, s := range l.segs {
		sum += s.size
	}
	return sum
}
