package wire

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/internal/testbed"
	"github.com/divvy-collector/divvy/telemetry"
)

// A load is what a fleet of exporters gives: so many targets that the caches
// are cold again when it is a target's turn.
type fleetLoad struct {
	tab     *Table
	id      telemetry.SinkID
	scrapes [][][]telemetry.Sample // by scrape and target
	samples int                    // of one scrape of all targets
}

const (
	benchTargets = 200
	benchSeries  = 1000
	benchRounds  = 3 // scrapes of each target that differ
)

// newFleetLoad resolves the series of a fleet and reads a few scrapes of it.
func newFleetLoad(b *testing.B) *fleetLoad {
	fleet := testbed.NewFleet(testbed.FleetConfig{Targets: benchTargets, Series: benchSeries})
	f := &fleetLoad{tab: NewTable(1), id: telemetry.NewSinkID(), samples: benchTargets * benchSeries}
	for round := range benchRounds {
		var scrape [][]telemetry.Sample
		for i := range benchTargets {
			scrape = append(scrape, f.read(b, fleet.Exposition(i, uint64(round)), i, 1_700_000_000_000+int64(round*5000+i*25)))
		}
		f.scrapes = append(f.scrapes, scrape)
	}
	return f
}

// read resolves what target i exposed at time t.
func (f *fleetLoad) read(b *testing.B, text []byte, i int, t int64) (list []telemetry.Sample) {
	st := labels.NewSymbolTable()
	p, err := textparse.New(text, "text/plain", st, textparse.ParserOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var md telemetry.Metadata
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			b.Fatal(err)
		}
		switch entry {
		case textparse.EntryHelp:
			_, help := p.Help()
			md.Help = string(help)
		case textparse.EntryType:
			name, typ := p.Type()
			md.Family, md.Type = string(name), typ
		case textparse.EntrySeries:
			var lset labels.Labels
			p.Labels(&lset)
			_, _, v := p.Series()
			list = append(list, telemetry.Sample{Handle: f.resolve(lset, i, md), T: t, V: v})
		}
	}
}

// resolve adds what a scrape adds to the labels of an exposed series.
func (f *fleetLoad) resolve(lset labels.Labels, i int, md telemetry.Metadata) telemetry.Handle {
	lb := labels.NewBuilder(lset)
	lb.Set("instance", fmt.Sprintf("127.0.%d.%d:12398", 1+i/250, 1+i%250))
	lb.Set("job", "fleet")
	n, _, _ := f.tab.Resolve([]telemetry.Labels{lb.Labels()}, &md)
	return f.id.Handle(n)
}

// add writes samples into blk.
func (f *fleetLoad) add(blk *Block, list []telemetry.Sample) {
	blk.AddSamplesLocked(View{Table: f.tab, ID: f.id}, list, 1<<30)
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

// perSample reports the CPU time since start, and bytes, for each sample.
func perSample(b *testing.B, start time.Duration, samples, bytes int) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(cpuTime()-start)/float64(samples), "cpu-ns/sample")
	b.ReportMetric(float64(bytes)/float64(samples), "B/sample")
}

// BenchmarkEncode measures encoding alone: what is written is thrown away
// before it would be compressed.
func BenchmarkEncode(b *testing.B) {
	f := newFleetLoad(b)
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		b.Run(fmt.Sprint("version=", kind), func(b *testing.B) {
			var blk Block
			samples, bytes, round := 0, 0, 0
			start := cpuTime()
			for b.Loop() {
				for i, list := range f.scrapes[round%benchRounds] {
					if i%10 == 0 {
						blk.Reset(kind, 0, 1)
					}
					samples += len(list)
					for ; len(list) > 0; list = list[min(50, len(list)):] {
						f.add(&blk, list[:min(50, len(list))])
						bytes += len(blk.series)
						blk.series = blk.series[:0]
					}
				}
				round++
			}
			perSample(b, start, samples, bytes)
		})
	}
}

// BenchmarkBlock measures encoding and compression, ten targets to a block,
// without checks and with one of every piece.
func BenchmarkBlock(b *testing.B) {
	f := newFleetLoad(b)
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		for _, every := range []int{0, 1} {
			b.Run(fmt.Sprintf("version=%d/audit=%d", kind, every), func(b *testing.B) {
				f.benchBlock(b, kind, &Audit{Every: every})
			})
		}
	}
}

func (f *fleetLoad) benchBlock(b *testing.B, kind uint8, a *Audit) {
	var blk Block
	var payload []byte
	samples, bytes, round := 0, 0, 0
	start := cpuTime()
	for b.Loop() {
		for i, list := range f.scrapes[round%benchRounds] {
			if i%10 == 0 {
				blk.Reset(kind, 0, 1)
				blk.WatchedBy(a)
			}
			f.add(&blk, list)
			samples += len(list)
			if i%10 == 9 {
				payload = blk.Compress(payload[:0])
				bytes += len(payload)
			}
		}
		round++
	}
	if a.Plain {
		b.Error("a piece was found damaged")
	}
	perSample(b, start, samples, bytes)
}

// rawRequests returns what is compressed, ten targets to a request.
func (f *fleetLoad) rawRequests(b *testing.B, kind uint8) (list [][]byte) {
	for _, scrape := range f.scrapes {
		for i := 0; i < len(scrape); i += 10 {
			var blk Block
			blk.Reset(kind, 0, 1)
			for _, samples := range scrape[i : i+10] {
				f.add(&blk, samples)
			}
			payload := blk.Compress(nil)
			raw, err := snappy.Decode(nil, payload[3:])
			if err != nil {
				b.Fatal(err)
			}
			list = append(list, raw)
		}
	}
	return list
}

// BenchmarkSnappy measures compressors by the size of the pieces.
func BenchmarkSnappy(b *testing.B) {
	f := newFleetLoad(b)
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		raw := f.rawRequests(b, kind)
		for _, piece := range []int{8 << 10, 15 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 4 << 20} {
			for name, encode := range map[string]func(dst, src []byte) []byte{"s2": s2.EncodeSnappy, "golang": snappy.Encode} {
				b.Run(fmt.Sprintf("version=%d/KiB=%d/%s", kind, piece>>10, name), func(b *testing.B) {
					dst := make([]byte, s2.MaxEncodedLen(4<<20))
					samples, bytes := 0, 0
					start := cpuTime()
					for b.Loop() {
						for _, r := range raw {
							for ; len(r) > 0; r = r[min(piece, len(r)):] {
								bytes += len(encode(dst, r[:min(piece, len(r))]))
							}
						}
						samples += benchRounds * f.samples
					}
					perSample(b, start, samples, bytes)
				})
			}
		}
	}
}
