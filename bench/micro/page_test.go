package micro

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// perTarget is the number of samples of a target.
const perTarget = 1000

// pages returns what n targets show in a scrape.
func pages(n int, kube bool) (texts [][]byte) {
	fleet := testbed.NewFleet(testbed.FleetConfig{Targets: n, Series: perTarget - 1, Kube: kube})
	for i := range n {
		texts = append(texts, bytes.Clone(fleet.Exposition(i, 7)))
	}
	return texts
}

// A line is a sample as the text has it.
type line struct{ series, value []byte }

// lines returns the samples of a page.
func lines(page []byte) (list []line) {
	for text := range bytes.Lines(page) {
		if text[0] == '#' {
			continue
		}
		i := bytes.LastIndexByte(text, ' ')
		list = append(list, line{text[:i], bytes.TrimSpace(text[i+1:])})
	}
	return list
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure calls do, which handles so many units, over and over and reports the
// CPU time of one.
func measure(b *testing.B, unit string, units int, do func()) {
	b.Helper()
	start := cpuTime()
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/float64(units), "cpu-ns/"+unit)
}

func TestPagesHaveTheirSamples(t *testing.T) {
	f := func(kube bool) {
		t.Helper()
		for _, page := range pages(3, kube) {
			if n := len(lines(page)); n != perTarget {
				t.Errorf("%d samples; want %d", n, perTarget)
			}
		}
	}
	f(false)
	f(true)
}
