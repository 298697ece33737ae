package queue

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// unreadSeqs is left out of the sequence when something could not be read. If it
// can be the next time, its numbers must not be those of newer records, which
// would then pass for copies.
const unreadSeqs = 1 << 32

// A relic is a file that Open finds under the name of a segment.
type relic struct {
	seg   *segment
	kin   kinship
	first uint64 // as its header has it; only of ours
	err   error  // why it cannot be read
}

// recover finds out what the directory holds. It changes nothing on disk.
func (l *Log) recover() {
	l.next, l.w.nextSeq, l.w.nextID = 1, 1, 1
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.w.blind = fmt.Errorf("list log (in memory until it is opened again): %w", err)
		l.report(partDir, l.w.blind)
		return
	}
	l.readCursor(names)
	l.next = max(l.k.cur.watermark, 1)
	l.adopt(l.relics(names))
	l.w.nextSeq = l.next
	if n := len(l.segs); n > 0 {
		l.w.nextSeq = max(l.next, l.segs[n-1].last+1)
	}
	if l.lost.SetAside+int(l.lost.DamagedRecords) > 0 {
		l.w.nextSeq += unreadSeqs
	}
}

// readCursor reads the watermark, if there is one.
func (l *Log) readCursor(names []string) {
	if !slices.Contains(names, "cursor") {
		return
	}
	var b []byte
	f, err := l.cfg.FS.Open(l.path("cursor"))
	if err == nil {
		b = make([]byte, slotStride+slotBytes)
		readPages(f, b, 0)
		_ = f.Close() // it was only read
	}
	var ok bool
	if l.k.cur, ok = decodeCursor(b); !ok {
		l.k.bad = true
		l.cfg.Log.Error("log of blocks: the cursor is damaged; delivery begins at the oldest record",
			"dir", l.cfg.Dir, "err", err)
	}
}

// relics reads the headers of the files that are named like segments, oldest
// first, and counts those with names that nobody here gives.
func (l *Log) relics(names []string) []relic {
	var list []relic
	for _, name := range names {
		id, damaged, ok := parseSegmentName(name)
		switch {
		case ok:
			list = append(list, l.relic(&segment{id: id, named: damaged, damaged: damaged}))
			l.w.nextID = max(l.w.nextID, id+1)
		case !slices.Contains([]string{"cursor", "cursor.damaged", "lock"}, name):
			l.setAside(name, errors.New("not a file of the log"))
		}
	}
	slices.SortStableFunc(list, func(a, b relic) int { return cmp.Compare(a.seg.id, b.seg.id) })
	return list
}

// relic reads the header of s.
func (l *Log) relic(s *segment) relic {
	r := relic{seg: s}
	f, err := l.cfg.FS.Open(l.path(s.name()))
	if err != nil {
		r.err = err
		return r
	}
	defer f.Close()
	if s.size, err = f.Size(); err != nil {
		r.err = err
		return r
	}
	b := make([]byte, segmentHeaderBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		r.err = err
		return r
	}
	r.first, r.kin = decodeSegmentHeader(b[:n], s.id)
	if r.kin == ours {
		s.start = segmentHeaderBytes
	}
	return r
}

// adopt makes the log of what was found.
func (l *Log) adopt(list []relic) {
	last := uint64(0)
	for i, r := range list {
		r.seg.first, r.seg.last = last+1, last
		done := i+1 < len(list) && r.kin == ours && list[i+1].kin == ours && list[i+1].first <= l.next
		if done { // all of it was acked: no need to read
			r.seg.last = max(last, list[i+1].first-1)
		}
		if l.adoptOne(r, done) {
			l.segs = append(l.segs, r.seg)
			l.backlog.plus(r.seg.left)
			last = r.seg.last
		}
	}
}

// adoptOne looks into the file, unless it is done with, and reports whether it
// becomes part of the log.
func (l *Log) adoptOne(r relic, done bool) bool {
	s := r.seg
	switch {
	case r.err != nil: // kept, under another name, so that nobody takes it for acked
		s.damaged = true
		l.setAside(s.name(), r.err)
		return true
	case r.kin == foreign:
		l.setAside(s.name(), errors.New("segment of another version"))
		return false
	case done || r.kin == unborn:
		return !s.named
	}
	before := s.last
	err := l.scan(s)
	switch {
	case r.kin == unknown && s.last == before:
		l.setAside(s.name(), errors.New("not a segment"))
		return false
	case s.named && s.left.records == 0: // known already
		return false
	case len(s.gaps) > 0 || err != nil || r.kin == unknown:
		l.harmed(s, err)
	}
	return true
}

// harmed counts and logs the damage that was found in s.
func (l *Log) harmed(s *segment, err error) {
	s.damaged = true
	bytes := int64(0)
	for _, g := range s.gaps {
		bytes += g.to - g.from
	}
	l.lost.DamagedRecords += int64(len(s.gaps))
	l.lost.DamagedBytes += bytes
	l.cfg.Log.Error("log of blocks: damage found; the file will be kept",
		"dir", l.cfg.Dir, "file", s.name(), "bytes", bytes, "err", err)
}

// scan reads the headers of the records of s.
func (l *Log) scan(s *segment) error {
	f, err := l.cfg.FS.Open(l.path(s.name()))
	if err != nil {
		return err
	}
	defer f.Close()
	s.scan(f, l.next)
	return nil
}

// setAside counts and logs a file that is left alone.
func (l *Log) setAside(name string, why error) {
	l.lost.SetAside++
	l.cfg.Log.Error("log of blocks: file is set aside", "dir", l.cfg.Dir, "file", name, "err", why)
}
