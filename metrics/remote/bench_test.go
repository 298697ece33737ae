package remote

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/vfs"
)

// benchWriter returns a Writer that does not send, with its log open, and the
// batches of 50 targets of 200 series.
func benchWriter(b *testing.B, message string) (*Writer, []telemetry.Batch) {
	w, err := New(Config{Endpoints: []Endpoint{{URL: "http://a/", Message: message}}, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	e := w.endpoint()
	if e.queue, err = queue.Open(queue.Config{FS: vfs.OS(), Dir: e.dir, MaxBytes: 256 << 20}); err != nil {
		b.Fatal(err)
	}
	close(e.opened)
	b.Cleanup(func() { e.queue.Close() })
	batches := make([]telemetry.Batch, 50)
	for i := range batches {
		batches[i] = telemetry.Batch{Key: uint64(i), Epoch: w.Epoch()}
		for n := range 200 {
			h := w.Resolve(target(i, n), nil)
			batches[i].Samples = append(batches[i].Samples, telemetry.Sample{Handle: h, T: 1_700_000_000_000, V: float64(n % 7)})
		}
	}
	return w, batches
}

// cpuTime is what this process has used, so that a busy machine does not spoil
// the figures.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report tells the CPU time per sample since start.
func report(b *testing.B, start time.Duration, samples int) {
	b.ReportMetric(float64(cpuTime()-start)/float64(samples), "cpu-ns/sample")
}

// benchAppend measures what a sample costs from Append until it is on disk.
func benchAppend(b *testing.B, message string) {
	w, batches := benchWriter(b, message)
	b.ReportAllocs()
	samples, round, start := 0, int64(0), cpuTime()
	for b.Loop() {
		round++
		for i := range batches {
			for k := range batches[i].Samples {
				batches[i].Samples[k].T += 5000
				batches[i].Samples[k].V += float64(round % 3)
			}
			if err := w.Append(&batches[i]); err != nil {
				b.Fatal(err)
			}
			samples += len(batches[i].Samples)
		}
		if err := w.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		// Nothing sends: what was written is taken for delivered.
		e := w.endpoint()
		for e.queue.Stats().Records > int64(e.queue.Stats().InFlight) {
			entry, err := e.queue.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			e.queue.Ack(entry.Seq)
		}
	}
	report(b, start, samples)
	b.ReportMetric(float64(w.endpoint().stats().DiskBytes)/float64(samples), "B/sample")
}

func BenchmarkAppendToDisk1(b *testing.B) { benchAppend(b, Message1) }
func BenchmarkAppendToDisk2(b *testing.B) { benchAppend(b, Message2) }

// benchEncode measures the encoder alone.
func benchEncode(b *testing.B, message string) {
	w, batches := benchWriter(b, message)
	e := w.endpoint()
	b.ReportAllocs()
	samples, start := 0, cpuTime()
	for b.Loop() {
		for i := range batches {
			if err := w.Append(&batches[i]); err != nil {
				b.Fatal(err)
			}
			samples += len(batches[i].Samples)
		}
		e.giveBack(e.takeBlocks(nil))
		e.retain(nil)
	}
	report(b, start, samples)
}

func BenchmarkEncode1(b *testing.B) { benchEncode(b, Message1) }
func BenchmarkEncode2(b *testing.B) { benchEncode(b, Message2) }

// BenchmarkResolve measures a series that is held already.
func BenchmarkResolve(b *testing.B) {
	w, _ := benchWriter(b, Message1)
	lset := target(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		w.Resolve(lset, nil)
	}
}

// target returns the labels of series n of a target, ten of them, as an
// exporter and a scrape make them.
func target(i, n int) labels.Labels {
	return labels.FromStrings(
		"__name__", fmt.Sprint("node_some_metric_name_", n/10), "cluster", "production", "env", "prod",
		"instance", fmt.Sprintf("10.0.%d.%d:9100", i/256, i%256), "job", "node",
		"device", fmt.Sprint("device", n%10), "mode", fmt.Sprint("mode", n%10), "namespace", "monitoring",
		"pod", fmt.Sprint("exporter-", i), "region", "eu-west-1",
	)
}
