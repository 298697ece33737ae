package queue

import (
	"hash/crc32"
	"sort"

	"github.com/divvy-collector/divvy/vfs"
)

// reader is where Next stands: in a group of the tail, or in a group that was
// read from a file. It belongs to the goroutine that calls Next.
type reader struct {
	cur   *group // being handed out; nil: find another
	pos   int    // of the next record in cur
	at    int64  // offset of cur in its file
	disk  bool   // cur was read from seg
	lanes uint16 // of the record handed out last

	seg *segment // segment that f is open for
	f   vfs.File
	off int64 // every record of seg that was not handed out is at or after off
	sc  scanner
}

// tryNext hands out the next record, if there is one and it may go.
func (l *Log) tryNext() (Entry, bool) {
	for {
		if l.r.cur == nil && !l.position() {
			return Entry{}, false
		}
		h, payload, ok := l.r.record()
		switch {
		case !ok:
			l.leave()
			continue
		case l.r.disk && l.due(h) && crc32.Checksum(payload, castagnoli) != h.crc:
			l.lose(h)
		default:
			handed, held := l.hand(h)
			if held {
				return Entry{}, false
			}
			if handed {
				l.r.pos += int(h.size())
				return Entry{Seq: h.seq, Record: h.record(payload)}, true
			}
		}
		l.r.pos += int(h.size())
	}
}

// record returns the record that the reader stands at. ok is false where cur
// ends, or where it cannot be made out in cur what follows.
func (r *reader) record() (h header, payload []byte, ok bool) {
	b := r.cur.buf[r.pos:]
	if !r.disk {
		if len(b) == 0 {
			return h, nil, false
		}
		h = parseHeader(b)
	} else if h, ok = headerAt(b, r.seg.id, r.at+int64(r.pos)); !ok || h.size() > int64(len(b)) {
		return h, nil, false
	}
	return h, b[headerBytes:h.size():h.size()], true
}

// due reports whether h is to be handed out; else it was before, or is dropped.
func (l *Log) due(h header) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.seq >= l.next
}

// hand notes that h, which is in cur, is handed out. held is true if it must
// wait because the number of lanes changes.
func (l *Log) hand(h header) (handed, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case h.seq < l.next:
		return false, false
	case l.flights.open > 0 && h.lanes != l.r.lanes:
		return false, true
	}
	l.regainLocked(h)
	l.r.lanes, l.handedTime, l.next = h.lanes, h.minTime, h.seq+1
	l.flights.add(h, l.r.cur)
	l.r.cur.refs++
	return true, false
}

// regainLocked counts h, which is where the reader stands, if the disk would not
// read it at Open.
func (l *Log) regainLocked(h header) {
	if l.r.disk && l.r.seg.inGap(l.r.at+int64(l.r.pos)) {
		l.backlog.add(h)
		l.r.seg.left.add(h)
	}
}

// lose counts a record whose payload is damaged.
func (l *Log) lose(h header) {
	l.mu.Lock()
	l.regainLocked(h)
	l.next = max(l.next, h.seq+1)
	l.backlog.remove(h)
	l.r.seg.left.remove(h)
	l.lost.DamagedRecords++
	l.mu.Unlock()
	l.foundDamage(h.size())
}

// foundDamage notes that bytes of the reader's segment are damaged.
func (l *Log) foundDamage(bytes int64) {
	l.mu.Lock()
	l.lost.DamagedBytes += bytes
	news, name := !l.r.seg.damaged, l.r.seg.name()
	l.r.seg.damaged = true
	l.mu.Unlock()
	if news {
		l.cfg.Log.Error("log of blocks: damage found; the file will be kept",
			"dir", l.cfg.Dir, "file", name, "bytes", bytes)
	}
}

// leave gives up cur.
func (l *Log) leave() {
	g := l.r.cur
	l.r.cur = nil
	if l.r.disk {
		l.r.off = l.r.at + int64(l.r.pos)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.r.disk && g.seg != nil {
		g.seg.read = g.off + int64(len(g.buf))
	}
	l.dropLocked(g)
	l.trimTailLocked()
}

// position puts the reader at a group that may hold the next record. It returns
// false if there is none.
func (l *Log) position() bool {
	for {
		g, s, size := l.source()
		if l.r.seg != nil && l.r.seg != s {
			l.closeReader()
		}
		switch {
		case g != nil:
			l.r.cur, l.r.pos, l.r.disk = g, 0, false
			return true
		case s == nil:
			return false
		case l.readAhead(s, size):
			return true
		}
	}
}

// source returns where the next record is: in a group of the tail, which is now
// held, or in the first size bytes of a segment.
func (l *Log) source() (*group, *segment, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.segmentLocked(l.next)
	t := sort.Search(len(l.tail), func(t int) bool { return l.tail[t].last >= l.next })
	if t < len(l.tail) && (l.tail[t].first <= l.next || i == len(l.segs)) {
		l.tail[t].refs++
		return l.tail[t], nil, 0
	}
	if i == len(l.segs) {
		return nil, nil, 0
	}
	return nil, l.segs[i], l.segs[i].size
}

// readAhead reads records of s from its file. It returns false if it had to
// step over something and the source is to be looked up again.
func (l *Log) readAhead(s *segment, size int64) bool {
	r := &l.r
	if err := l.openReader(s); err != nil {
		l.cfg.Log.Error("log of blocks: segment cannot be read", "dir", l.cfg.Dir, "err", err)
		l.giveUp(s, size)
		return false
	}
	r.sc.reset(r.f, s.id, size)
	h, at, ok := r.sc.locate(r.off)
	if at > r.off && !s.inGap(r.off) {
		l.foundDamage(at - r.off)
	}
	r.off = at
	if !ok {
		l.giveUp(s, size)
		return false
	}
	n := max(h.size(), min(readAheadBytes, size-at))
	g := l.fetchGroup(int(n))
	g.buf = g.buf[:n]
	readPages(r.f, g.buf, at)
	if _, ok := headerAt(g.buf, s.id, at); !ok { // was there a moment ago
		l.drop(g)
		r.off = at + 1
		return false
	}
	r.cur, r.pos, r.at, r.disk = g, 0, at, true
	return true
}

// giveUp steps over the rest of s, of which size bytes were looked at. Open
// saw records there; they are lost, so the file is kept.
func (l *Log) giveUp(s *segment, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.size > size { // it has grown: look again
		return
	}
	s.damaged = true
	l.lost.DamagedRecords += l.undeliveredLocked(s).records
	l.next = max(l.next, s.last+1)
}

// openReader opens the file of s for reading, unless it is. Its name may be
// changed at this moment, so both are tried.
func (l *Log) openReader(s *segment) error {
	if l.r.seg == s {
		return nil
	}
	f, err := l.cfg.FS.Open(l.path(segmentName(s.id, false)))
	if err != nil {
		var again error
		if f, again = l.cfg.FS.Open(l.path(segmentName(s.id, true))); again != nil {
			return err
		}
	}
	l.r.seg, l.r.f, l.r.off = s, f, max(s.start, s.read)
	return nil
}

// closeReader gives up the file being read, so that a deleted one frees its
// place.
func (l *Log) closeReader() {
	_ = l.r.f.Close() // it was only read
	l.r.seg.read = l.r.off
	l.r.seg, l.r.f = nil, nil
}
