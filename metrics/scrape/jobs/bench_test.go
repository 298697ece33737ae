package jobs

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
)

const (
	manyJobs = 50
	manyPods = 5000
)

// fleet returns jobs that have all pods each.
func fleet() []*Job {
	var out []*Job
	for j := range manyJobs {
		one := &Job{Name: fmt.Sprintf("podMonitor/shop/m%02d/0", j), Settings: settings()}
		for i := range manyPods {
			one.Targets = append(one.Targets, many(j, i))
			one.Foreign = append(one.Foreign, owner.Key(i))
		}
		out = append(out, one)
	}
	return out
}

// many is a pod as one of the jobs has it.
func many(job, i int) telemetry.Target {
	return labels.FromStrings(
		"__address__", fmt.Sprintf("10.%d.%d.%d:%d", i>>16, i>>8&255, i&255, 8000+job), "__scheme__", "http", "__metrics_path__", "/metrics",
		"__scrape_interval__", "30s", "__scrape_timeout__", "10s", "container", "app", "endpoint", "http", "instance", fmt.Sprintf("web-%d", i),
		"job", fmt.Sprintf("shop/m%02d", job), "namespace", "shop", "pod", fmt.Sprintf("web-%05d-6d5f8c7b9d-abcde", i),
	)
}

// One pod of 5,000 is replaced, and each of 50 jobs has it.
func BenchmarkPodReplaced(b *testing.B) {
	p, err := New("c", scrape.Config{Self: "a", View: cell.New(owner.Alone("a"))})
	if err != nil {
		b.Fatal(err)
	}
	start := func(l *pool) { _, l.stop = context.WithCancel(b.Context()) }
	var before, after runtime.MemStats
	jobs := fleet()
	runtime.GC()
	runtime.ReadMemStats(&before)
	p.apply(jobs, start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	n := 0
	for b.Loop() {
		n++
		for k, j := range jobs {
			next := *j
			next.Targets = append([]telemetry.Target{}, j.Targets...)
			next.Targets[n%manyPods] = many(k, manyPods+n)
			jobs[k] = &next
		}
		p.apply(jobs, start)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/manyJobs/manyPods, "B/target")
}
