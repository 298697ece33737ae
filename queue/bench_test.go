package queue

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

const (
	sampleBytes   = 25 // of a sample in a remote write block
	groupSamples  = 10_000
	recordSamples = 1000
)

// benchGroup is what a 250 ms commit of ten targets looks like.
func benchGroup() (recs []Record) {
	for range groupSamples / recordSamples {
		recs = append(recs, Record{Kind: 1, Items: recordSamples, Payload: make([]byte, recordSamples*sampleBytes)})
	}
	return recs
}

// cpu returns the processor time that the process has taken, which, unlike the
// time that went by, does not depend on what else the machine does.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report gives the figures per sample, of processor time since begin.
func report(b *testing.B, begin time.Duration) {
	b.ReportMetric(float64(cpu(b)-begin)/float64(b.N)/groupSamples, "cpu-ns/sample")
	b.SetBytes(groupSamples * sampleBytes)
	b.ReportAllocs()
}

// BenchmarkAppendNextAck is the life of a group: appended, handed out from
// memory, acked.
func BenchmarkAppendNextAck(b *testing.B) {
	l, err := Open(Config{FS: vfs.OS(), Dir: b.TempDir(), MaxBytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	recs := benchGroup()
	n, begin := 0, cpu(b)
	for b.Loop() {
		if err := l.Append(recs...); err != nil {
			b.Fatal(err)
		}
		for range recs {
			e, ok := l.tryNext()
			if !ok {
				b.Fatal("nothing to take")
			}
			l.Ack(e.Seq)
		}
		if n++; n%100 == 0 {
			l.persist() // as each second
			l.trim()
		}
	}
	report(b, begin)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppendTwin is the dumbest thing that could be compared: each record
// with its length, written by itself, no check, nothing handed out.
func BenchmarkAppendTwin(b *testing.B) {
	recs := benchGroup()
	f, err := os.Create(filepath.Join(b.TempDir(), "twin"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	off, begin := int64(0), cpu(b)
	for b.Loop() {
		for _, r := range recs {
			buf := binary.LittleEndian.AppendUint32(nil, uint32(len(r.Payload)))
			n, err := f.WriteAt(append(buf, r.Payload...), off%(64<<20))
			if err != nil {
				b.Fatal(err)
			}
			off += int64(n)
		}
	}
	report(b, begin)
}

// BenchmarkReadBacklog takes records from files.
func BenchmarkReadBacklog(b *testing.B) {
	cfg := Config{FS: vfs.OS(), Dir: b.TempDir()}
	l, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	recs := benchGroup()
	for b.Loop() {
		b.StopTimer()
		for range 40 {
			if err := l.Append(recs...); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for range 40 * len(recs) {
			e, ok := l.tryNext()
			if !ok {
				b.Fatal("nothing to take")
			}
			l.Ack(e.Seq)
		}
		l.trim()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/groupSamples/40, "ns/sample")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen recovers a backlog of 64 MiB in records of 25 kB.
func BenchmarkOpen(b *testing.B) {
	cfg := Config{FS: vfs.OS(), Dir: b.TempDir()}
	for range 2 {
		l, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		for range 128 {
			if err := l.Append(benchGroup()...); err != nil {
				b.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		l, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if s := l.Stats(); s.Records != 2560 {
			b.Fatal(fmt.Sprint(s))
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
