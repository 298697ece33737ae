package wire

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Table holds the series of one generation of rules, each as the labels that
// it has at the endpoints:
//
//	one record per series in slab:   | size | variant 0 | variant 1 | …
//	one variant:                     | n | n pairs |        all numbers are varints
//
// A variant is the outcome of one list of write_relabel rules; endpoints with
// equal rules share it. n is 0 where the rules drop the series. Two series
// whose records are equal are one, whatever they were called before the rules.
//
// With ten labels a series takes about 20 bytes of slab, 12 of entry and 7 of
// index: no pointer, so the garbage collector has nothing to do here.
type Table struct {
	variants int // in each record

	mu       sync.RWMutex
	pairs    pairs
	families families
	slab     []byte
	garbage  int      // bytes of slab that no entry refers to
	entries  []series // entries without holds are in free
	free     []uint32
	index    index
	live     int
	scratch  []byte

	// Hashes of the labels of a few series, by number * variants + variant:
	// see Audit.
	witnesses map[int]uint64
	torn      atomic.Bool
}

type label = labels.Label

// A series is one entry of a table.
type series struct {
	at     uint32 // where its record begins in slab
	holds  uint32 // Resolves less Releases
	family uint32 // what describes it, in families; 0: nothing does
}

// NewTable returns a table of series that each have this many variants.
func NewTable(variants int) *Table {
	return &Table{variants: variants, pairs: newPairs(), witnesses: map[int]uint64{}}
}

// Resolve returns the number of the series that has these labels at each
// variant and adds a hold, or false if every variant drops it. Labels with an
// empty value are none.
func (t *Table) Resolve(variants []telemetry.Labels, md *telemetry.Metadata) (n int, created, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	record, empty := t.encodeLocked(variants)
	if empty {
		return 0, false, false
	}
	hash := maphash.Bytes(t.pairs.seed, record)
	i, known := t.index.find(hash, func(n uint32) bool { return string(t.record(n)) == string(record) })
	if !known {
		i = t.addLocked(record)
		t.index.add(hash, i, t.hashOf)
		if i < 64 || hash>>58 == 0 {
			t.witnessLocked(i, variants)
		}
	}
	e := &t.entries[i]
	e.holds++
	if md != nil {
		e.family = t.families.replace(e.family, *md)
	}
	return int(i), !known, true
}

// encodeLocked returns the record of variants without its size, valid until
// the next call, and whether all of them are dropped.
func (t *Table) encodeLocked(variants []telemetry.Labels) (record []byte, empty bool) {
	b := t.scratch[:0]
	empty = true
	for _, lset := range variants {
		n := 0
		lset.Range(func(l label) {
			if l.Value != "" {
				n++
			}
		})
		b = appendVarint(b, uint64(n))
		lset.Range(func(l label) {
			if l.Value != "" {
				b = appendVarint(b, uint64(t.pairs.intern(l.Name, l.Value)))
			}
		})
		empty = empty && n == 0
	}
	t.scratch = b
	return b, empty
}

// addLocked makes an entry of record, whose pairs it holds.
func (t *Table) addLocked(record []byte) uint32 {
	eachPair(record, t.pairs.hold)
	at := uint32(len(t.slab))
	t.slab = appendVarint(t.slab, uint64(len(record)))
	t.slab = append(t.slab, record...)
	t.live++
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.entries[i] = series{at: at}
		return i
	}
	t.entries = append(t.entries, series{at: at})
	return uint32(len(t.entries) - 1)
}

// record returns the record of entry i without its size.
func (t *Table) record(i uint32) []byte {
	b := t.slab[t.entries[i].at:]
	if size := b[0]; size < 0x80 {
		return b[1 : 1+size]
	}
	size, n := binary.Uvarint(b)
	return b[n : n+int(size)]
}

// hashOf returns the hash of the record of entry i.
func (t *Table) hashOf(i uint32) uint64 { return maphash.Bytes(t.pairs.seed, t.record(i)) }

// Release gives up one hold on series n. It reports whether that was the last.
func (t *Table) Release(n int) (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n >= len(t.entries) || t.entries[n].holds == 0 {
		return false
	}
	e := &t.entries[n]
	if e.holds--; e.holds > 0 {
		return false
	}
	i := uint32(n)
	record := t.record(i)
	t.index.remove(t.hashOf(i), i)
	eachPair(record, t.pairs.release)
	t.families.release(e.family)
	t.garbage += len(record) + varintLen(uint64(len(record)))
	*e = series{}
	for v := range t.variants {
		delete(t.witnesses, n*t.variants+v)
	}
	t.free = append(t.free, i)
	t.live--
	if t.garbage > 64<<10 && 2*t.garbage > len(t.slab) {
		t.compactLocked()
	}
	return true
}

// compactLocked copies the records that are in use into a new slab.
func (t *Table) compactLocked() {
	fresh := make([]byte, 0, len(t.slab)-t.garbage+len(t.slab)/8)
	for i := range t.entries {
		e := &t.entries[i]
		if e.holds == 0 {
			continue
		}
		record := t.record(uint32(i))
		e.at = uint32(len(fresh))
		fresh = appendVarint(fresh, uint64(len(record)))
		fresh = append(fresh, record...)
	}
	t.slab, t.garbage = fresh, 0
}

// Size returns the number of series.
func (t *Table) Size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.live
}

// pairsLocked returns the encoded pairs of series n at a variant: none if the
// series is unknown or dropped there.
func (t *Table) pairsLocked(n, variant int) []byte {
	if n >= len(t.entries) || t.entries[n].holds == 0 {
		return nil
	}
	b := t.record(uint32(n))
	for range variant {
		b = b[len(firstVariant(b)):]
	}
	if variant < t.variants-1 {
		b = firstVariant(b)
	}
	if b[0] < 0x80 {
		return b[1:]
	}
	_, head := binary.Uvarint(b)
	return b[head:]
}

// RLock keeps the table as it is until RUnlock.
func (t *Table) RLock() { t.mu.RLock() }

// RUnlock lets the table change again.
func (t *Table) RUnlock() { t.mu.RUnlock() }

// LineLocked returns series n as it is at a variant, or false if the series is
// unknown or dropped there. The table is locked for reading, and so it stays
// while the line is used.
func (t *Table) LineLocked(n, variant int) (Line, bool) {
	pairs := t.pairsLocked(n, variant)
	if len(pairs) == 0 {
		return Line{}, false
	}
	return t.line(n, variant, pairs), true
}

// line returns the line of series n, which has these pairs at a variant.
func (t *Table) line(n, variant int, pairs []byte) Line {
	return Line{table: t, pairs: pairs, family: t.entries[n].family, number: uint32(n), variant: variant}
}

// witness is the number of l in witnesses.
func (l Line) witness() int { return int(l.number)*l.table.variants + l.variant }

// witnessLocked remembers a hash of what a series was resolved with.
func (t *Table) witnessLocked(n uint32, variants []telemetry.Labels) {
	for i, lset := range variants {
		var h maphash.Hash
		h.SetSeed(t.pairs.seed)
		lset.Range(func(l label) {
			if l.Value != "" {
				hashLabel(&h, l.Name, l.Value)
			}
		})
		t.witnesses[int(n)*t.variants+i] = h.Sum64()
	}
}

// hashLabel adds a label to a hash.
func hashLabel[S string | []byte](h *maphash.Hash, name, value S) {
	for _, s := range [...]S{name, value} {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		h.Write([]byte(s))
	}
}

// Torn reports whether a series was found that does not have the labels that
// Resolve was given.
func (t *Table) Torn() bool { return t.torn.Load() }

// LabelsLocked returns the labels of a line. The table is locked for reading.
func (l Line) LabelsLocked() telemetry.Labels {
	b := labels.NewScratchBuilder(16)
	for list := l.pairs; len(list) > 0; {
		p, n := binary.Uvarint(list)
		list = list[n:]
		name, value := l.table.pairs.label(pair(p))
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}

// Families returns the metadata of the series, one for each family, by name.
func (t *Table) Families() []telemetry.Metadata {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.families.sorted()
}

// firstVariant returns the variant that a record begins with, n included.
func firstVariant(record []byte) []byte {
	count, at := binary.Uvarint(record)
	for ; count > 0; count-- {
		for record[at] >= 0x80 {
			at++
		}
		at++
	}
	return record[:at]
}

// eachPair calls f for every pair of a record, in all its variants.
func eachPair(record []byte, f func(pair)) {
	for len(record) > 0 {
		count, at := binary.Uvarint(record)
		record = record[at:]
		for ; count > 0; count-- {
			p, n := binary.Uvarint(record)
			f(pair(p))
			record = record[n:]
		}
	}
}
