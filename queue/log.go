// Package queue is the log of blocks on disk until acknowledged.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// ErrFull says that neither the disk nor the memory set aside for a disk that
// refuses took the records. None of them was kept.
var ErrFull = errors.New("log is full: the disk refuses and memory is used up")

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

// A Record is one block to be delivered.
type Record struct {
	Kind    uint8  // what Payload is; the caller's affair
	Lane    uint16 // records of one lane are delivered in order by whoever serves it
	Lanes   uint16 // number of lanes when written; where it changes, delivery waits for all before it
	Items   uint32 // samples in Payload, for counts
	MinTime int64  // oldest sample, Unix ms
	MaxTime int64  // newest sample, Unix ms
	Payload []byte // opaque; copied by Append
}

// An Entry is a Record on its way out. Its Payload is valid until it is acked.
type Entry struct {
	Seq uint64 // name of the record, for Ack; rises along the log, with gaps
	Record
}

// Stats is a snapshot of a Log.
type Stats struct {
	Records, Items, Bytes int64     // accepted and not acked; Bytes are payloads
	InFlight              int       // of Records: handed out by Next
	OldestTime            int64     // MinTime of the oldest record not acked, Unix ms; 0: none
	DiskBytes             int64     // in segments
	MemoryBytes           int64     // waiting for a disk that refuses
	Segments              int       // files on disk
	DroppedItems          int64     // lost to MaxBytes since Open
	RefusedItems          int64     // refused with ErrFull since Open
	DamagedRecords        int64     // found damaged since Open; a stretch without a readable header counts as one
	DamagedBytes          int64     // length of what was damaged
	SetAside              int       // files in the directory that were not read
	Degraded              error     // why the disk is not doing its part; nil: it is
	DegradedSince         time.Time // when that began
}

// A Log is a first-in, first-out queue on disk.
type Log struct{}

// Open recovers the log in cfg.Dir.
func Open(cfg Config) (*Log, error) { return &Log{}, nil }

// Append adds records in order.
func (l *Log) Append(recs ...Record) error { return ErrFull }

// Next returns the next undelivered record.
func (l *Log) Next(ctx context.Context) (Entry, error) {
	<-ctx.Done()
	return Entry{}, ctx.Err()
}

// Ack says that a record need not be delivered again.
func (l *Log) Ack(seq uint64) {}

// Stats returns counts.
func (l *Log) Stats() Stats { return Stats{} }

// Run keeps the log until ctx is done.
func (l *Log) Run(ctx context.Context) { <-ctx.Done() }

// Close persists the cursor and gives the directory up.
func (l *Log) Close() error { return nil }
