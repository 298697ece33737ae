package wire

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// textOf reads a series back from its references.
func textOf(t *Table, n, variant int) string {
	b := labels.NewBuilder(labels.EmptyLabels())
	for list := t.pairsLocked(n, variant); len(list) > 0; {
		p, size := binary.Uvarint(list)
		name, value := t.pairs.label(pair(p))
		b.Set(string(name), string(value))
		list = list[size:]
	}
	return b.Labels().String()
}

// The table against a map, under random resolves and releases: equal labels
// share one number while they are held, and every number reads back as what it
// was given for, however often slots were used again and slabs compacted.
func TestTableAgreesWithAMap(t *testing.T) {
	type twin struct {
		text  string
		holds int
	}
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 0))
		tab := NewTable(2)
		byNumber, byText := map[int]*twin{}, map[string]int{}
		var held []int
		for range 20_000 {
			if len(held) > 0 && (r.IntN(2) == 0 || len(held) > 3000) {
				i := r.IntN(len(held))
				n := held[i]
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
				gone := tab.Release(n)
				if byNumber[n].holds--; gone != (byNumber[n].holds == 0) {
					t.Fatalf("seed %d: release says %v with %d holds left", seed, gone, byNumber[n].holds)
				}
				if gone {
					delete(byText, byNumber[n].text)
					delete(byNumber, n)
				}
				continue
			}
			lset := labels.FromStrings("a", fmt.Sprint(r.IntN(300)), "b", fmt.Sprint("long value to make garbage of ", r.IntN(300)))
			variants := []telemetry.Labels{lset, labels.FromStrings("a", lset.Get("a"))}
			if r.IntN(3) == 0 {
				variants[1] = labels.EmptyLabels()
			}
			text := variants[0].String() + variants[1].String()
			n, created, ok := tab.Resolve(variants, &telemetry.Metadata{Family: fmt.Sprint(r.IntN(5))})
			before, known := byText[text]
			if !ok || created == known || known && n != before {
				t.Fatalf("seed %d: %s is %d (new: %v); want %d (known: %v)", seed, text, n, created, before, known)
			}
			if !known {
				byText[text], byNumber[n] = n, &twin{text: text}
			}
			byNumber[n].holds++
			held = append(held, n)
		}
		for n, tw := range byNumber {
			if got := textOf(tab, n, 0) + textOf(tab, n, 1); got != tw.text {
				t.Fatalf("seed %d: number %d reads %s; want %s", seed, n, got, tw.text)
			}
		}
		if tab.Size() != len(byNumber) {
			t.Errorf("seed %d: size %d; want %d", seed, tab.Size(), len(byNumber))
		}
		for _, n := range held {
			tab.Release(n)
		}
		if len(tab.families.sorted()) != 0 || tab.Size() != 0 || tab.pairs.index.live != 0 {
			t.Errorf("seed %d: something is left: %d series, %d pairs", seed, tab.Size(), tab.pairs.index.live)
		}
	}
}

func TestTableTakesNoEmptySeries(t *testing.T) {
	f := func(want bool, variants ...telemetry.Labels) {
		t.Helper()
		tab := NewTable(len(variants))
		if _, _, ok := tab.Resolve(variants, nil); ok != want {
			t.Errorf("resolve %v: %v; want %v", variants, ok, want)
		}
	}
	f(false)
	f(false, labels.EmptyLabels())
	f(false, labels.FromStrings("a", ""))
	f(true, labels.EmptyLabels(), labels.FromStrings("a", "1"))
}

// Metadata that changes is that of the series from then on; the number stays.
func TestMetadataFollowsTheLastResolve(t *testing.T) {
	tab := NewTable(1)
	lset := []telemetry.Labels{labels.FromStrings("a", "1")}
	n, _, _ := tab.Resolve(lset, &telemetry.Metadata{Family: "f", Help: "old"})
	again, _, _ := tab.Resolve(lset, &telemetry.Metadata{Family: "f", Help: "new"})
	if n != again {
		t.Errorf("number %d; want %d", again, n)
	}
	if list := tab.families.sorted(); len(list) != 1 || list[0].Help != "new" {
		t.Errorf("metadata %v; want the new one alone", list)
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

// A series costs little memory.
func TestBytesPerSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("resolves 200,000 series")
	}
	tab := NewTable(1)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 200 {
		for n := range 1000 {
			tab.Resolve([]telemetry.Labels{target(i, n)}, nil)
		}
	}
	per := float64(heap()-before) / 200_000
	t.Logf("%.1f bytes per series", per)
	if per > 60 {
		t.Errorf("%.1f bytes per series; want at most 60", per)
	}
	runtime.KeepAlive(tab)
}
