package walk

import (
	"maps"
	"slices"

	"github.com/divvy-collector/divvy/telemetry"
)

// An entry is what a target's memory holds of one line of its last
// exposition. It has no pointer, so that a million of them cost the garbage
// collector nothing.
type entry struct {
	hash   uint64           // of the series text, or of the whole line if meta
	handle telemetry.Handle // of the series in the sink; one hold
	size   uint32           // bytes that were hashed
	check  uint16           // of the fields above and below: see seal
	flags  flags
}

type flags uint8

const (
	// meta marks a line that is no sample: a comment, TYPE, HELP or blank line.
	meta flags = 1 << iota
	isType
	isHelp
	isEnd // "# EOF"

	// tracked marks a series that gets a staleness marker when it ends: its
	// last sample was appended and had no timestamp of its own.
	tracked

	// alias marks a series whose handle an entry before it has already: the
	// exposition gives it twice.
	alias
)

// A Memory is what is remembered of a target between two scrapes. The zero
// Memory is that of a target that was never scraped. One goroutine at a time may
// use it.
type Memory struct {
	sink       telemetry.Sink  // that gave the handles; nil: none yet
	epoch      telemetry.Epoch // when the entries were resolved
	generation uint64          // of the settings under which they were
	entries    []entry         // in the order of the last exposition
	lastT      int64           // timestamp of the last scrape; 0: none

	// The report series have their own epoch and generation, because they are
	// appended also when the scrape fails and the entries stay as they were.
	reports          []telemetry.Handle // in the order of the report series
	oldReports       []oldReport        // those before the rules changed; released with the next commit
	reportEpoch      telemetry.Epoch
	reportGeneration uint64

	owed    int32 // lines walked that no audit was made for yet
	audited int32 // where the next audit is due, as an index
	wrong   bool  // found by a scrape that failed, which left it as it is

	stamps map[telemetry.Handle]int64     // last timestamp of series that give their own
	marks  map[telemetry.Handle]markStamp // last exemplar of series that have some
}

// An oldReport is the handle that a report series had under other rules.
type oldReport struct {
	handle telemetry.Handle
	index  int             // in reports
	epoch  telemetry.Epoch // in which it was resolved
}

// Forget gives up every hold. Nothing is marked as ended.
func (m *Memory) Forget() {
	if m.sink != nil {
		m.sink.Release(m.Holds())
	}
	*m = Memory{lastT: m.lastT}
}

// Holds lists every handle that m holds, once for each hold.
func (m *Memory) Holds() []telemetry.Handle {
	list := slices.Clone(m.reports)
	for _, r := range m.oldReports {
		list = append(list, r.handle)
	}
	for _, e := range m.entries {
		if e.handle != telemetry.Dropped && e.intact() {
			list = append(list, e.handle)
		}
	}
	return list
}

// live calls f for each series that would get a staleness marker.
func (m *Memory) live(f func(telemetry.Handle)) {
	for _, e := range m.entries {
		if e.flags&(tracked|alias) == tracked && e.intact() {
			f(e.handle)
		}
	}
}

// replace makes entries the memory. It copies them, because the walk goes on to
// use its slice for other targets, and keeps about as much memory as they need.
func (m *Memory) replace(entries []entry) {
	if n := len(entries); cap(m.entries) < n || cap(m.entries) > 2*n+64 {
		m.entries = make([]entry, 0, n)
	}
	m.entries = append(m.entries[:0], entries...)
}

// Resume prepares for going on with a target that others may have scraped
// since. While its former owner lives, that one marks what has ended.
func (m *Memory) Resume(back, formerLives bool) {
	if back {
		m.lastT = 0
	}
	if formerLives {
		m.untrack()
	}
}

// untrack remembers that every series was marked as ended.
func (m *Memory) untrack() {
	for i := range m.entries {
		if e := &m.entries[i]; e.intact() {
			e.set(e.flags &^ tracked)
		}
	}
}

// remember adds what the scrape saw of timestamps and exemplars.
func (m *Memory) remember(stamped map[telemetry.Handle]int64, marked map[telemetry.Handle]markStamp) {
	if m.stamps == nil && len(stamped) > 0 {
		m.stamps = map[telemetry.Handle]int64{}
	}
	if m.marks == nil && len(marked) > 0 {
		m.marks = map[telemetry.Handle]markStamp{}
	}
	maps.Copy(m.stamps, stamped)
	maps.Copy(m.marks, marked)
}

// drop removes what is remembered of a handle that nothing holds any more.
func (m *Memory) drop(h telemetry.Handle) {
	delete(m.stamps, h)
	delete(m.marks, h)
}
