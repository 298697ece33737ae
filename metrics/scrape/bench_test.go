package scrape

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/telemetry"
)

// nullSink takes everything and keeps nothing.
type nullSink struct{ last int }

func (s *nullSink) Resolve(telemetry.Labels, *telemetry.Metadata) telemetry.Handle {
	s.last++
	return telemetry.SinkID(1).Handle(s.last)
}
func (s *nullSink) Epoch() telemetry.Epoch        { return 1 }
func (s *nullSink) Append(*telemetry.Batch) error { return nil }
func (s *nullSink) Flush(context.Context) error   { return nil }
func (s *nullSink) Release([]telemetry.Handle)    {}

// textPage is an exposition of n series.
func textPage(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "bench_metric_%d_total{handler=\"/api/v1/thing\",method=\"GET\",code=\"%d\"} %d\n", i/50, i, i*i)
	}
	return b.Bytes()
}

// processTime is the processor time that the process has used. On a machine
// with other work it says more than the time on the wall.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPool scrapes ten targets of a thousand series over HTTP in memory,
// all in one tick.
func BenchmarkPool(b *testing.B) {
	const n = 10
	f := &farm{hosts: map[string]http.Handler{}}
	cfg := plain()
	cfg.Dial = f.dial
	cfg.Compression = false
	p, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	p.SetSink(&nullSink{})
	var addrs []string
	body := string(textPage(1000))
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("t%d:80", i))
		f.text(addrs[i], body)
	}
	p.SetTargets(targets(addrs...))
	var due []schedule.Due
	for _, t := range targets(addrs...) {
		due = append(due, schedule.Due{Key: owner.TargetKey(t)})
	}
	b.ReportAllocs()
	began := processTime()
	for b.Loop() {
		for i := range due {
			due[i].Slot = time.Now()
		}
		p.serve(schedule.Round{Due: due})
		p.wg.Wait()
	}
	b.ReportMetric(float64(processTime()-began)/float64(b.N*n*1000), "cpu-ns/sample")
	p.set.client.CloseIdleConnections()
	f.close()
}
