package walk

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/divvy-collector/divvy/internal/testbed"
	"github.com/divvy-collector/divvy/telemetry"
)

// pickySink is a nullSink that drops a part of the series.
type pickySink struct{ nullSink }

func (s *pickySink) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	if lset.Hash()%100 < 29 {
		return telemetry.Dropped
	}
	return s.nullSink.Resolve(lset, md)
}
func (s *pickySink) Flush(context.Context) error { return nil }

// shuffled is page with its lines in an order at random.
func shuffled(page []byte, r *rand.Rand) []byte {
	lines := bytes.SplitAfter(page, []byte("\n"))
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return bytes.Join(lines, nil)
}

// BenchmarkFleet walks the pages of 200 targets in turn, so that nothing of
// one is in a cache any more when its turn comes again.
func BenchmarkFleet(b *testing.B) {
	const targets, series = 200, 1000
	fleet := testbed.NewFleet(testbed.FleetConfig{Targets: targets, Series: series - 1})
	run := func(name string, every int, sink telemetry.Sink, change func(page []byte) []byte) {
		b.Run(name, func(b *testing.B) {
			w := newTestWalk(plain(), sink)
			w.every = every
			memories, pages := make([]Memory, targets), make([][]byte, targets)
			visit := func(i int) {
				w.memory = &memories[i%targets]
				if err := w.scrape(pages[i%targets], mediaText); err != nil || w.Total != series || w.damaged > 0 {
					b.Fatal(err, w.Total, w.damaged)
				}
				w.commit(false)
			}
			for i := range 2 * targets {
				pages[i%targets] = change(fleet.Exposition(i%targets, uint64(7+i/targets)))
				visit(i)
			}
			began, i := processTime(), 0
			for b.Loop() {
				visit(i)
				i++
			}
			b.ReportMetric(float64(processTime()-began)/float64(b.N*series), "cpu-ns/sample")
		})
	}
	same := func(page []byte) []byte { return page }
	run("known", auditEvery, &nullSink{}, same)
	run("without audit", 1<<40, &nullSink{}, same)
	run("all audited", 1, &nullSink{}, same)
	run("dropped", auditEvery, &pickySink{}, same)
}

// BenchmarkShuffled is BenchmarkFleet for pages whose lines come in another
// order each time.
func BenchmarkShuffled(b *testing.B) {
	const series = 1000
	r, fleet := rand.New(rand.NewPCG(1, 2)), testbed.NewFleet(testbed.FleetConfig{Targets: 20, Series: series - 1})
	var pages [10][20][]byte
	for k := range pages {
		for i := range pages[k] {
			pages[k][i] = shuffled(fleet.Exposition(i, uint64(1+k)), r)
		}
	}
	w := newTestWalk(plain(), &nullSink{})
	var memories [20]Memory
	began, n := processTime(), 0
	for b.Loop() {
		w.memory = &memories[n%20]
		if err := w.scrape(pages[n/20%10][n%20], mediaText); err != nil || w.Total != series || w.damaged > 0 {
			b.Fatal(err, w.Total, w.damaged)
		}
		w.commit(false)
		n++
	}
	b.ReportMetric(float64(processTime()-began)/float64(b.N*series), "cpu-ns/sample")
}
