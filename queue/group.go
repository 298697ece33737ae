package queue

const (
	freshBytes     = 4 << 20  // of groups on disk that are kept for Next
	spareGroups    = 8        // buffers kept for use again
	spareBytes     = 1 << 20  // larger buffers are not kept
	bufferQuantum  = 64 << 10 // large buffers are a multiple of it
	bufferLeast    = 1 << 10  // smaller ones double from here
	readAheadBytes = 256 << 10
)

// A group is a run of encoded records in memory: what one Append was given, or
// what was read from a file at a time. Log.mu guards all but the content of
// buf, which does not change while anybody holds the group.
type group struct {
	buf         []byte
	refs        int      // holders: the tail, the reader, each record in flight
	first, last uint64   // sequence numbers; only of groups that were appended
	queued      bool     // is in the tail
	seg         *segment // where it is on disk; nil: it waits for the disk
	off         int64    // where in seg
}

// fetchGroup returns an empty group with room for n bytes, held once.
func (l *Log) fetchGroup(n int) *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, g := range l.spare {
		if cap(g.buf) >= n {
			l.spare[i] = l.spare[len(l.spare)-1]
			l.spare = l.spare[:len(l.spare)-1]
			*g = group{buf: g.buf[:0], refs: 1}
			return g
		}
	}
	return &group{buf: make([]byte, 0, roundUp(n)), refs: 1}
}

// roundUp returns the capacity of a new buffer for n bytes. What is appended
// alone may stay in memory for as long as its receiver is away, so it must not
// take much more than it needs.
func roundUp(n int) int {
	if n > bufferQuantum/2 {
		return (n + bufferQuantum - 1) / bufferQuantum * bufferQuantum
	}
	size := bufferLeast
	for size < n {
		size *= 2
	}
	return size
}

// dropLocked gives up one hold on g; l.mu is held.
func (l *Log) dropLocked(g *group) {
	g.refs--
	switch {
	case g.refs < 0:
		panic("BUG: group dropped too often")
	case g.refs > 0 || cap(g.buf) > spareBytes:
		return
	case len(l.spare) == spareGroups: // the newest replaces the oldest, which may be too small
		copy(l.spare, l.spare[1:])
		l.spare[spareGroups-1] = g
	default:
		l.spare = append(l.spare, g)
	}
}

// drop gives up one hold on g.
func (l *Log) drop(g *group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(g)
}

// pushLocked puts g at the end of the tail, which takes over a hold.
func (l *Log) pushLocked(g *group) {
	g.queued = true
	l.tail = append(l.tail, g)
	l.accountLocked(g, 1)
	l.trimTailLocked()
}

// accountLocked adds g to, or with a sign of -1 takes it from, the memory that
// the tail uses.
func (l *Log) accountLocked(g *group, sign int64) {
	n := sign * int64(len(g.buf))
	if g.seg != nil {
		l.freshBytes += n
	} else {
		l.waitingBytes += n
	}
}

// trimTailLocked drops from the front of the tail what nobody needs in memory:
// what was acked, and, of that which is on disk, what was handed out and what
// goes beyond freshBytes.
func (l *Log) trimTailLocked() {
	low, n := l.watermarkLocked(), 0
	for _, g := range l.tail {
		if g.last >= low && !(g.seg != nil && (g.last < l.next || l.freshBytes > freshBytes)) {
			break
		}
		l.accountLocked(g, -1)
		g.queued = false
		l.dropLocked(g)
		n++
	}
	if n > 0 {
		m := copy(l.tail, l.tail[n:])
		clear(l.tail[m:])
		l.tail = l.tail[:m]
	}
}
