package walk

import (
	"hash/maphash"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/metrics/exposition"
	"github.com/divvy-collector/divvy/telemetry"
)

// A Walk turns one body into one batch, with the help of the target's memory
// of the body before. It reads the memory and changes nothing in it until
// commit; so a walk that fails is forgotten by not committing it.
//
// The body and the memory are walked side by side. As long as line after line
// is the one remembered, only numbers are parsed. The first line that is not
// begins a rebuild: from there on the walk writes a new memory, looks lines up
// ahead and in a table, and learns those that it does not find.
//
//	remembered ── other line ──► rebuilding ── end ──► commit replaces the memory
//	     └──────────── end ──────────────────────────► commit keeps the memory
//
// A Walk is used by one goroutine at a time, for one target after another: it
// holds the scratch space.
type Walk struct {
	seed  maphash.Seed
	line  exposition.Line
	build labels.ScratchBuilder

	// The scrape that is being made:
	visit  *Visit
	rules  *Rules
	target *Target
	memory *Memory
	sink   telemetry.Sink
	epoch  telemetry.Epoch
	now    int64 // timestamp of the scrape, Unix ms
	maxT   int64 // beyond which timestamps are refused

	// What comes of it:
	batch telemetry.Batch
	Tally
	lost error // what was kept back and not taken

	// Where it stands:
	old   []entry // the memory; not changed
	at    int     // index into old of the line that is expected next
	fresh bool    // handles of old are not to be used: other rules, or they are wrong
	other bool    // there are other rules, and they are the sink's

	// The new memory, once one is being built:
	rebuilding bool
	next       []entry
	former     int                        // index in old of the line that was looked up last, or -1
	goesOn     map[telemetry.Handle]bool  // handles of old whose series have another one now; used with other
	seen       []bool                     // per entry of old
	table      map[uint64]int32           // hash to index in old; built when needed
	handles    map[telemetry.Handle]bool  // of next; true: tracked
	stamped    map[telemetry.Handle]int64 // timestamps that series gave themselves
	resolved   []telemetry.Handle         // holds taken by this walk
	released   []telemetry.Handle         // holds given up by commit

	family  family
	outline outline
	marked  map[telemetry.Handle]markStamp // exemplars that were appended

	example  exemplar.Exemplar // the parser's
	examples []exemplar.Exemplar

	auditor
	mask    uint64 // bits of hashes that count: all, but in tests
	damaged int    // entries that were found to be wrong

	scratch
}

// maxAhead is how far in the future a timestamp may be, in ms.
const maxAhead = 10 * 60 * 1000

// lookAhead is how many lines may be missing before the table is asked.
const lookAhead = 8

// New returns a Walk without a target. Walks that share memories need the same
// seed, of the hash by which these know their lines.
func New(seed maphash.Seed) *Walk {
	return &Walk{
		seed:    seed,
		mask:    math.MaxUint64,
		auditor: auditor{every: auditEvery},
		build:   labels.NewScratchBuilder(16),
		table:   map[uint64]int32{},
		handles: map[telemetry.Handle]bool{},
		goesOn:  map[telemetry.Handle]bool{},
		stamped: map[telemetry.Handle]int64{},
		marked:  map[telemetry.Handle]markStamp{},
	}
}

// begin prepares for one scrape, whose fields are set. wall is the present in
// Unix ms. It compares the epoch of the sink with that of the memory: handles of
// another epoch must not be appended to, so every series is resolved again.
func (w *Walk) begin(wall int64) {
	w.maxT = wall + maxAhead
	m := w.memory
	if m.sink != w.sink {
		w.settleHold()
		m.Forget()
		m.sink = w.sink
	}
	w.epoch = w.sink.Epoch()
	w.other = m.epoch != w.epoch
	w.fresh = w.other || m.generation != w.visit.Generation || m.wrong
	w.old, w.damaged = m.entries, 0
	w.plan(m, w.target.Key)
	w.again()
}

// settleHold gives what is kept back to the sink that is about to be left.
func (w *Walk) settleHold() {
	if w.visit.Hold != nil {
		w.lost = w.visit.Hold.LetGo()
	}
}

// again starts the walk over.
func (w *Walk) again() {
	w.restart()
	w.fresh = w.fresh || w.wrong
	if w.fresh {
		w.rebuild()
		w.at = len(w.old) // nothing is expected
	}
}

// restart forgets what was done since begin and gives up the holds taken.
func (w *Walk) restart() {
	if len(w.resolved) > 0 {
		w.sink.Release(w.resolved)
	}
	w.batch.Reset()
	w.Tally = Tally{}
	w.family, w.outline = family{}, outline{}
	w.resolved, w.released = w.resolved[:0], w.released[:0]
	w.at, w.rebuilding = 0, false
	clear(w.stamped)
	clear(w.marked)
}

// hash returns the hash of a series text or line.
func (w *Walk) hash(b []byte) uint64 { return maphash.Bytes(w.seed, b) & w.mask }

// rebuild begins a new memory with what was walked so far.
func (w *Walk) rebuild() {
	w.rebuilding = true
	w.next = append(w.next[:0], w.old[:w.at]...)
	w.seen = slices.Grow(w.seen[:0], len(w.old))[:len(w.old)]
	w.goesOn = emptied(w.goesOn, len(w.old))
	w.table = emptied(w.table, len(w.old))
	w.handles = emptied(w.handles, len(w.old))
	for i := range w.seen {
		w.seen[i] = i < w.at
	}
	for _, e := range w.next {
		w.handles[e.handle] = w.handles[e.handle] || e.flags&tracked != 0
	}
}

// emptied returns m without elements, or a new map if m has become too large
// for n elements to be worth clearing.
func emptied[K comparable, V any](m map[K]V, n int) map[K]V {
	if len(m) > 8*n+4096 {
		return map[K]V{}
	}
	clear(m)
	return m
}

// keep moves on behind the expected line e, which has come. The entry that it
// returns is the one to change, and only once the walk is rebuilding: the old
// memory must stay as it is, in case the walk fails.
func (w *Walk) keep(e *entry) *entry {
	if w.rebuilding {
		w.seen[w.at] = true
		w.at++
		return w.push(*e)
	}
	w.at++
	return e
}

// push adds e to the new memory. A series whose handle is there already is an
// alias: it holds the handle too, but is never live by itself.
func (w *Walk) push(e entry) *entry {
	if e.flags&meta == 0 && e.handle != telemetry.Dropped {
		e.flags &^= alias
		on, twice := w.handles[e.handle]
		if twice {
			e.flags = e.flags&^tracked | alias
		}
		w.handles[e.handle] = on || e.flags&tracked != 0
	}
	e.check = e.seal()
	w.next = append(w.next, e)
	return &w.next[len(w.next)-1]
}

// find looks for a line that is not the expected one. It returns nil if the
// memory has none, or none that may be used; known says that it has one.
func (w *Walk) find(hash uint64, size int) (e *entry, known bool) {
	if !w.rebuilding {
		if w.at < len(w.old) && w.old[w.at].is(hash, size) && w.old[w.at].intact() {
			return w.keep(&w.old[w.at]), true
		}
		w.rebuild()
	}
	i := w.lookup(hash, size)
	w.former = i
	if i < 0 {
		return nil, false
	}
	if w.fresh || w.seen[i] || w.family.changed != "" || !w.old[i].intact() {
		return nil, true
	}
	w.at = i
	return w.keep(&w.old[i]), true
}

// lookup returns the index of a line in the memory, or -1.
func (w *Walk) lookup(hash uint64, size int) int {
	for i := w.at; i < min(w.at+lookAhead, len(w.old)); i++ {
		if w.old[i].is(hash, size) {
			return i
		}
	}
	if len(w.table) == 0 {
		for i, e := range w.old {
			w.table[e.hash] = int32(i)
		}
	}
	if i, ok := w.table[hash]; ok && w.old[i].is(hash, size) {
		return int(i)
	}
	return -1
}

func (e *entry) is(hash uint64, size int) bool {
	return e.hash == hash && int(e.size) == size
}

// series returns the entry of the series with this text: from the memory, or
// learnt with the labels that read returns. isNew says that the memory had
// none. There is no entry and no error for a series beyond the sample limit.
func (w *Walk) series(text []byte, read func() telemetry.Labels) (e *entry, isNew bool, err error) {
	hash := w.hash(text)
	e, known := w.find(hash, len(text))
	switch {
	case e == nil:
		e, err = w.learn(hash, len(text), read())
	case w.at == w.due+1 && !w.audit(e, read()):
		return nil, false, errWrong
	}
	return e, !known, err
}

// learn resolves a series that the memory does not have and adds it. It
// returns nil without an error if the sample limit is passed already: the
// scrape fails anyway, so the sink is spared the series.
func (w *Walk) learn(hash uint64, size int, lset telemetry.Labels) (*entry, error) {
	if limit := int(w.rules.Limits.Samples); limit > 0 && w.Appended > limit {
		w.Added++
		return nil, nil
	}
	lset, err := w.complete(lset)
	if err != nil {
		return nil, err
	}
	h := w.sink.Resolve(lset, w.metadata(lset.Get(model.MetricNameLabel)))
	if h != telemetry.Dropped {
		w.resolved = append(w.resolved, h)
	}
	return w.push(entry{hash: hash, handle: h, size: uint32(size)}), nil
}

// admit is where the rules about single samples are. It decides whether a sample of e is appended, and at which time. t is the
// timestamp in the exposition, or exposition.NoTime. It counts the sample and
// keeps the books about the series' end. e is the latest entry.
func (w *Walk) admit(e *entry, t int64) (int64, bool) {
	if e.handle == telemetry.Dropped {
		return 0, false
	}
	w.Added++
	own := t != exposition.NoTime && w.rules.HonorTimestamps
	if !own {
		t = w.now
		if e.flags&alias != 0 {
			w.Duplicates++
			return 0, false
		}
	}
	w.Appended++
	ok := true
	switch {
	case t > w.maxT:
		w.OutOfBounds++
		ok = false
	case own && !w.ordered(e, t):
		w.OutOfOrder++
		ok = false
	}
	w.track(e, ok && (!own || w.rules.TrackTimestamps))
	return t, ok
}

// ordered reports whether t is later than the last sample of a series that
// gives its own timestamps, and remembers it.
func (w *Walk) ordered(e *entry, t int64) bool {
	last, known := w.stamped[e.handle]
	if !known {
		last, known = w.memory.stamps[e.handle]
	}
	if !known && e.flags&tracked != 0 {
		last, known = w.memory.lastT, true
	}
	if known && t <= last {
		return false
	}
	w.stamped[e.handle] = t
	return true
}

// track notes whether the series of e gets a marker when it ends. A series
// that loses the mark ends now.
func (w *Walk) track(e *entry, on bool) {
	if on == (e.flags&tracked != 0) {
		return
	}
	if !w.rebuilding {
		w.rebuild()
		e = &w.next[len(w.next)-1]
	}
	e.set(e.flags ^ tracked)
	w.handles[e.handle] = on
	if on && w.other && w.former >= 0 {
		w.goesOn[w.old[w.former].handle] = true
	}
	if !on && e.flags&alias == 0 {
		w.stale(e.handle, w.now)
	}
}

// stale appends a staleness marker.
func (w *Walk) stale(h telemetry.Handle, t int64) {
	w.batch.Samples = append(w.batch.Samples,
		telemetry.Sample{Handle: h, T: t, V: math.Float64frombits(value.StaleNaN)})
}

// finish ends a walk that has read its whole body: series that were not seen
// have ended. But a handle from before the sink's rules changed may stand for a
// series that has another handle now, and a series must not get a marker and a
// sample at the same time; so there is no marker then.
func (w *Walk) finish() {
	if !w.rebuilding && w.at < len(w.old) {
		w.rebuild()
	}
	if !w.rebuilding {
		return
	}
	for i, e := range w.old {
		if !w.seen[i] && !e.intact() {
			w.damaged++
			continue
		}
		if w.seen[i] || e.handle == telemetry.Dropped {
			continue
		}
		w.released = append(w.released, e.handle)
		if e.flags&(tracked|alias) == tracked && !w.handles[e.handle] && !w.goesOn[e.handle] {
			w.stale(e.handle, w.now)
		}
	}
}

// fail makes the batch that of a failed scrape: every series has ended.
func (w *Walk) fail() {
	counts := w.Tally
	w.restart()
	w.Tally = counts
	w.memory.live(func(h telemetry.Handle) { w.stale(h, w.now) })
}

// commit makes the walk's new memory the target's, after the batch was taken.
func (w *Walk) commit(failed bool) {
	m := w.memory
	m.lastT = w.now
	w.settle(m)
	if failed {
		m.untrack()
		m.wrong = m.wrong || w.wrong
	} else {
		w.commitEntries()
	}
	for _, r := range m.oldReports {
		w.giveUp([]telemetry.Handle{r.handle})
	}
	m.oldReports = nil
	w.resolved = w.resolved[:0]
}

// commitEntries is the part of commit for a walk that did not fail.
func (w *Walk) commitEntries() {
	m := w.memory
	if w.rebuilding {
		m.replace(w.next)
		m.epoch, m.generation, m.wrong = w.epoch, w.visit.Generation, false
	}
	m.remember(w.stamped, w.marked)
	for _, h := range w.released {
		if _, goesOn := w.handles[h]; !goesOn {
			m.drop(h)
		}
	}
	w.giveUp(w.released)
}
