package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// watched returns an empty block that is checked whole.
func watched(kind uint8) (*Block, *Audit) {
	b, a := new(Block), &Audit{Every: 1}
	b.Reset(kind, 0, 1)
	b.WatchedBy(a)
	return b, a
}

// decode reads what a receiver would read.
func decode(t *testing.T, b *Block) []sinktest.Point {
	t.Helper()
	raw := unsnappy(t, recordOf(t, b).Body)
	if b.Kind == KindWrite2 {
		return decode2(t, raw)
	}
	return decode1(t, raw)
}

// Where nothing is wrong, nothing is found.
func TestTwinSaysWhatTheBlockSays(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		b, a := watched(KindWrite1 + uint8(seed%2))
		tab, id := NewTable(2), telemetry.NewSinkID()
		single := NewTable(1)
		for range 10 {
			fill(r, single, b, 10)
			list := randomRun(r, tab, id)
			b.AddSamplesLocked(View{Table: tab, ID: id, Variant: r.IntN(2)}, list, math.MaxInt)
			if r.IntN(3) == 0 {
				b.Pack()
			}
		}
		recordOf(t, b)
		if b.Checked == 0 || b.Damaged != 0 || b.Torn != 0 || a.Plain {
			t.Fatalf("seed %d: verdict %+v, plain is %v; want nothing found", seed, b.Verdict, a.Plain)
		}
	}
}

// A fleet of series for blocks that are damaged.
type patient struct {
	tab  *Table
	id   telemetry.SinkID
	text []string // labels by number
}

func newPatient(series int) *patient {
	p := &patient{tab: NewTable(1), id: telemetry.NewSinkID()}
	for i := range series {
		lset := labels.FromStrings("__name__", fmt.Sprint("metric_", i/10), "instance", "10.0.0.1:9100", "job", "node",
			"le", fmt.Sprint(i%10), "path", strings.Repeat("/long", 1+i))
		p.tab.Resolve([]telemetry.Labels{lset}, &telemetry.Metadata{Family: fmt.Sprint("metric_", i/10), Type: "counter", Help: fmt.Sprint("Help ", i/10)})
		p.text = append(p.text, lset.String())
	}
	return p
}

// samples returns one of each series, at time at.
func (p *patient) samples(r *rand.Rand, at int64) (list []telemetry.Sample, want []sinktest.Point) {
	for i, text := range p.text {
		s := telemetry.Sample{Handle: p.id.Handle(i), T: at, V: randomValue(r)}
		list = append(list, s)
		want = append(want, sinktest.Point{Series: text, T: at, V: s.V})
	}
	return list, want
}

// Damage at any stage is found in the piece that has it; what the receiver gets
// is right, then and afterwards. Of a table that is torn, no series with wrong
// labels is sent.
func TestAuditCatchesEveryStage(t *testing.T) {
	f := func(stage string, kinds []uint8, torn bool, damage func(r *rand.Rand, p *patient, b *Block)) {
		t.Helper()
		for seed := range uint64(12) {
			for _, kind := range kinds {
				r := rand.New(rand.NewPCG(seed, 7))
				p, at := newPatient(60), int64(1_700_000_000_000)
				b, a := watched(kind)
				list, want := p.samples(r, at)
				b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, list[:30], math.MaxInt)
				damage(r, p, b)
				b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, list[30:], math.MaxInt)
				b.Pack()
				more, wantMore := p.samples(r, at+5000)
				b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, more, math.MaxInt)
				want = append(want, wantMore...)

				got := decode(t, b)
				if b.Damaged == 0 || !a.Plain {
					t.Fatalf("%s, kind %d, seed %d: not found", stage, kind, seed)
				}
				if (b.Torn > 0) != torn || p.tab.Torn() != torn {
					t.Fatalf("%s, kind %d, seed %d: %d series torn; want some: %v", stage, kind, seed, b.Torn, torn)
				}
				if b.Samples != len(got) {
					t.Fatalf("%s, kind %d, seed %d: block counts %d samples and has %d", stage, kind, seed, b.Samples, len(got))
				}
				if !torn {
					samePoints(t, got, want)
				}
				for _, g := range got {
					if !slices.ContainsFunc(want, func(w sinktest.Point) bool { return samePoint(g, w) }) {
						t.Fatalf("%s, kind %d, seed %d: a wrong sample was sent: %+v", stage, kind, seed, g)
					}
				}
			}
		}
	}
	both, second := []uint8{KindWrite1, KindWrite2}, []uint8{KindWrite2}

	f("encoder", both, false, func(r *rand.Rand, _ *patient, b *Block) {
		b.series[r.IntN(len(b.series))] ^= 1 << r.IntN(8)
	})
	f("compressor, a bit", both, false, func(r *rand.Rand, _ *patient, b *Block) {
		b.encode = func(dst, raw []byte) []byte {
			out := s2.EncodeSnappy(dst, raw)
			_, head := binary.Uvarint(out)
			out[head+r.IntN(len(out)-head)] ^= 1 << r.IntN(8)
			return out
		}
	})
	f("compressor, the end", both, false, func(r *rand.Rand, _ *patient, b *Block) {
		b.encode = func(dst, raw []byte) []byte {
			out := s2.EncodeSnappy(dst, raw)
			return out[:len(out)-1-r.IntN(10)]
		}
	})
	f("references", second, false, func(r *rand.Rand, p *patient, b *Block) {
		short, common := &b.sym.short, 1+r.IntN(2) // labels that every series has
		short[common].bytes = short[common+r.IntN(2)+1].bytes
	})
	f("symbols", second, false, func(r *rand.Rand, _ *patient, b *Block) {
		str := b.sym.str(uint32(1 + r.IntN(len(b.sym.at)-1)))
		str[r.IntN(len(str))] ^= 1
	})
	f("labels", both, true, func(r *rand.Rand, p *patient, _ *Block) {
		b := p.tab.pairs.encoded(pair(r.IntN(5)))
		b[len(b)-1] ^= 1
	})
	f("numbers of labels", both, true, func(r *rand.Rand, p *patient, _ *Block) {
		at := p.tab.pairs.at
		at[3], at[1+r.IntN(2)] = at[1+r.IntN(2)], at[3]
	})
	f("records", both, true, func(r *rand.Rand, p *patient, _ *Block) {
		record := p.tab.record(uint32(30 + r.IntN(30)))
		record[1+r.IntN(5)] ^= 1
	})
	f("entries", both, true, func(r *rand.Rand, p *patient, _ *Block) {
		p.tab.entries[30+r.IntN(30)].at = p.tab.entries[r.IntN(30)].at
	})
}

// Whatever bit of a piece is flipped, it is seen, unless it means the same.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	for _, kind := range []uint8{KindWrite1, KindWrite2} {
		p := newPatient(15)
		b, _ := watched(kind)
		list, _ := p.samples(rand.New(rand.NewPCG(1, 1)), 1_700_000_000_000)
		b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, list, math.MaxInt)
		elements := b.appendElements(nil, b.series)
		if !b.sameAsTwin(elements) {
			t.Fatalf("kind %d: differs before anything was flipped", kind)
		}
		for bit := range 8 * len(elements) {
			elements[bit/8] ^= 1 << (bit % 8)
			if b.sameAsTwin(elements) {
				if raw, err := b.decodeElements(elements, len(b.series)); err != nil || string(raw) != string(b.series) {
					t.Errorf("kind %d: bit %d of %d bytes is not seen", kind, bit, len(elements))
				}
			}
			elements[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// The first piece is checked, and then one in so many.
func TestAuditLooksAtOnePieceInSome(t *testing.T) {
	p, a := newPatient(60), &Audit{Every: 4}
	list, _ := p.samples(rand.New(rand.NewPCG(1, 1)), 1_700_000_000_000)
	checked := 0
	for piece := range 20 {
		var b Block
		b.Reset(KindWrite1, 0, 1)
		b.WatchedBy(a)
		b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, list, math.MaxInt)
		b.Pack()
		if checked += b.Checked; checked != piece/4+1 {
			t.Errorf("%d pieces of %d were checked; want %d", checked, piece+1, piece/4+1)
		}
	}
}

// Labels, times and values of any kind arrive as they are.
func FuzzRun(f *testing.F) {
	f.Add("a", "b", "c", strings.Repeat("long", 20), int64(1_700_000_000_000), uint64(0))
	f.Add("__name__", "up", "", "", int64(-1), math.Float64bits(math.NaN()))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, at int64, bits uint64) {
		lset := labels.NewBuilder(labels.EmptyLabels()).Set(name1, value1).Set(name2, value2).Set("x", "y").Labels()
		for _, kind := range []uint8{KindWrite1, KindWrite2} {
			p := newPatient(4)
			n, _, ok := p.tab.Resolve([]telemetry.Labels{lset}, nil)
			if !ok {
				t.Fatal("a series with labels is not taken")
			}
			b, a := watched(kind)
			s := telemetry.Sample{Handle: p.id.Handle(n), T: at, V: math.Float64frombits(bits)}
			other := telemetry.Sample{Handle: p.id.Handle(3), T: at, V: 1}
			b.AddSamplesLocked(View{Table: p.tab, ID: p.id}, []telemetry.Sample{other, s, other}, math.MaxInt)
			samePoints(t, decode(t, b), []sinktest.Point{
				{Series: p.text[3], T: at, V: 1},
				{Series: lset.String(), T: at, V: s.V},
				{Series: p.text[3], T: at, V: 1},
			})
			if a.Plain || b.Checked == 0 {
				t.Errorf("verdict %+v, plain is %v", b.Verdict, a.Plain)
			}
		}
	})
}
