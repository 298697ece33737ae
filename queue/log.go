package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sort"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// ErrFull says that neither the disk nor the memory set aside for a disk that
// refuses took the records. None of them was kept.
var ErrFull = errors.New("log is full: the disk refuses and the memory for that is used up")

// ErrLocked says that another process, or another Log of this one, uses the
// directory.
var ErrLocked = vfs.ErrLocked

// ErrClosed says that the Log was closed.
var ErrClosed = errors.New("log is closed")

// Config says where a Log lives and how much it may hold.
type Config struct {
	FS             vfs.FS        // the disk
	Dir            string        // directory of this Log alone; made if missing
	MaxBytes       int64         // cap on segments on disk; beyond it the oldest are dropped and counted; 0: 10 GiB
	SegmentBytes   int64         // length at which a new segment is begun; 0: 64 MiB; at most an eighth of MaxBytes
	SyncEvery      time.Duration // period of fsync; 0: 1 s; negative: never
	MaxMemoryBytes int64         // bound on what waits for a disk that refuses; 0: 32 MiB
	Log            *slog.Logger  // nil: silence
}

// withDefaults returns c with each zero replaced by what it stands for.
func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 10 << 30
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 64 << 20
	}
	c.SegmentBytes = min(c.SegmentBytes, c.MaxBytes/8)
	if c.SyncEvery == 0 {
		c.SyncEvery = time.Second
	}
	if c.MaxMemoryBytes == 0 {
		c.MaxMemoryBytes = 32 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Record is one block to be delivered.
type Record struct {
	Kind    uint8  // what Payload is; the caller's affair
	Lane    uint16 // records of one lane are to be delivered in order; the caller's affair, too
	Lanes   uint16 // number of lanes when written; where it changes, Next waits until all before is acked
	Items   uint32 // samples in Payload, for counts
	MinTime int64  // oldest sample, Unix ms
	MaxTime int64  // newest sample, Unix ms
	Payload []byte // opaque; Append copies it
}

// An Entry is a Record on its way out. Its Payload is valid until it is acked.
type Entry struct {
	Seq uint64 // names the record for Ack; rises along the log, with gaps
	Record
}

// A Log is a first-in, first-out queue on disk. Append, Ack and Stats may be
// called by any number of goroutines at the same time, Next and Run by one
// each; Close is the last call.
type Log struct {
	cfg  Config
	wake chan struct{} // something for Next to look at

	// writing is the turn to change files. It is held while the disk works, so
	// that groups reach it in the order of their numbers, and it is taken
	// before mu. It guards w.
	writing sync.Mutex
	w       writer
	r       reader // Next's alone
	k       keeper // for Open, Run and Close

	mu           sync.Mutex // guards what follows; never held while the disk works
	segs         []*segment // oldest first; last and first rise
	tail         []*group   // newest records, in order: first those on disk, then those waiting for it
	freshBytes   int64      // in tail, on disk
	waitingBytes int64      // in tail, not on disk
	spare        []*group   // to be used again
	flights      flights    // handed out
	next         uint64     // lowest sequence number to be handed out
	handedTime   int64      // MinTime of the record handed out last, Unix ms
	backlog      amount     // not acked
	lost         Stats      // its counts of what went wrong
	faults       faults
}

// Open recovers the log in cfg.Dir and makes it ready. Damage is stepped over
// when it is read, files that are no segments are left alone, and a disk that
// cannot be written gives a Log that is Degraded. The only error is ErrLocked.
func Open(cfg Config) (*Log, error) {
	l := &Log{cfg: cfg.withDefaults(), wake: make(chan struct{}, 1)}
	if err := l.claim(); errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("open log in %s: %w", l.cfg.Dir, err)
	}
	l.recover()
	if l.claim() == nil {
		l.persist()
	}
	return l, nil
}

// claim makes and locks the directory, unless that is done. The caller has the
// turn to write, or is Open.
func (l *Log) claim() error {
	if l.w.blind != nil || l.w.lock != nil {
		return l.w.blind
	}
	err := l.cfg.FS.MkdirAll(l.cfg.Dir)
	if err == nil {
		l.w.lock, err = l.cfg.FS.Lock(l.path("lock"))
	}
	l.report(partDir, err)
	return err
}

// path returns the path of a file of this log.
func (l *Log) path(name string) string { return path.Join(l.cfg.Dir, name) }

// signal makes Next look again.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Ack says that the record named seq need not be handed out again, and that
// its Payload is not used any more. A name that is not in flight is ignored.
func (l *Log) Ack(seq uint64) {
	if l.ack(seq) {
		l.signal()
	}
}

func (l *Log) ack(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.flights.find(seq)
	if x == nil {
		return false
	}
	l.backlog.remove(x.h)
	if i := l.segmentLocked(seq); i < len(l.segs) && l.segs[i].first <= seq {
		l.segs[i].left.remove(x.h)
	}
	l.dropLocked(x.g)
	l.flights.ack(x)
	l.trimTailLocked()
	return true
}

// segmentLocked returns the index of the first segment that reaches seq.
func (l *Log) segmentLocked(seq uint64) int {
	return sort.Search(len(l.segs), func(i int) bool { return l.segs[i].last >= seq })
}

// Next returns the next record that was not handed out since Open, in order.
// It waits until there is one, and, where the number of lanes changes, until
// all before are acked. The error is that of ctx.
func (l *Log) Next(ctx context.Context) (Entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Entry{}, err
		}
		if e, ok := l.tryNext(); ok {
			return e, nil
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
		}
	}
}
