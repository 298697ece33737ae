package walk

import (
	"bytes"
	"errors"

	"github.com/divvy-collector/divvy/metrics/exposition"
	"github.com/divvy-collector/divvy/telemetry"
)

// A memory that is wrong would give samples to the wrong series, and nobody
// would notice. Two checks notice it:
//
//   - Each entry bears a seal, a checksum of itself. It is checked whenever the
//     entry is used, so an entry that anything but the walk has changed is not
//     used: its line is learnt anew, in the same scrape. Its handle is not
//     released, for it may be another series'.
//   - A few lines of each scrape are audited: resolved once more from their
//     text, as if they were new, and compared with what the memory says. The
//     audit goes round the lines of a target. It notices what no seal can: that
//     two texts have the same hash and length, or that the memory or the sink was
//     filled wrongly. Then nothing of the memory is trusted, and the scrape
//     is read again without.

// auditEvery is how many lines are walked for each one that is audited. So each
// line of a target whose lines keep their order is audited once in as many
// scrapes. An audit costs about as much as ten lines.
const auditEvery = 1024

// errWrong stops a walk whose memory was found to be wrong.
var errWrong = errors.New("what is remembered of the target is wrong")

// An auditor says which lines of a scrape are audited.
type auditor struct {
	every int  // lines walked for each that is audited
	due   int  // index in the memory of the line to audit next, or -1
	left  int  // how many are to be audited in this scrape
	owed  int  // lines walked that no audit was made for yet
	ahead int  // where the next scrape goes on
	wrong bool // an audit has failed
	one   [1]telemetry.Handle
}

// plan begins the audits of a scrape.
func (a *auditor) plan(m *Memory, key uint64) {
	owed := int(m.owed) + len(m.entries)
	if len(m.entries) == 0 {
		owed = int(key % uint64(a.every)) // so that targets do not come all at once
	}
	a.left, a.owed = owed/a.every, owed%a.every
	a.wrong = false
	a.schedule(len(m.entries), int(m.audited))
}

// schedule sets the line to audit, of so many: i, or the first.
func (a *auditor) schedule(lines, i int) {
	if i >= lines {
		i = 0
	}
	a.due, a.ahead = -1, i
	if a.left > 0 {
		a.due = i
	}
}

// settle remembers how far the audits have come. A line that did not come is
// left out.
func (a *auditor) settle(m *Memory) {
	if a.due >= 0 {
		a.ahead++
	}
	m.owed, m.audited = int32(a.owed), int32(a.ahead)
}

// audit resolves the series with these labels, those of a line that the memory
// knows as e, and reports whether e has the same handle.
func (w *Walk) audit(e *entry, lset telemetry.Labels) bool {
	w.audited()
	h := w.sink.Resolve(withTarget(lset, w.target.Labels, w.rules.HonorLabels), nil)
	w.one[0] = h
	w.sink.Release(w.one[:])
	return h == e.handle || w.sink.Epoch() != w.epoch || w.distrust()
}

// auditLine audits the line at the start of body, which the memory takes for e.
func (w *Walk) auditLine(e *entry, body []byte) bool {
	l := &w.line
	err := l.Parse(body)
	if e.flags&meta == 0 {
		if err != nil || l.Kind != exposition.Series || len(l.Text) != int(e.size) {
			return w.distrust()
		}
		return w.audit(e, l.Labels(w.family.metric(), &w.build))
	}
	w.audited()
	if err != nil { // metadata as only OpenMetrics has it, or the end
		if l.Size = bytes.IndexByte(body, '\n') + 1; l.Size == 0 {
			l.Size = len(body)
		}
	}
	return l.Kind != exposition.Series && l.Size == int(e.size) || w.distrust()
}

// audited moves on to the next line. Once round is enough for one scrape.
func (w *Walk) audited() {
	w.left--
	w.schedule(len(w.old), w.due+1)
	if w.ahead == 0 {
		w.due = -1
	}
}

// distrust notes that the memory is wrong, and returns false.
func (w *Walk) distrust() bool {
	w.wrong = true
	w.damaged++
	return false
}

// seal returns the checksum of e. That of an entry of zeros is not zero.
func (e *entry) seal() uint16 {
	const odd = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
	x := e.hash ^ (uint64(e.handle)+uint64(e.size)<<32+uint64(e.flags)<<24)*odd
	x = (x ^ x>>32) * odd
	return ^uint16((x ^ x>>29) * odd >> 48)
}

// intact reports whether nothing but the walk has changed e.
func (e *entry) intact() bool { return e.check == e.seal() }

// set gives e other flags.
func (e *entry) set(f flags) {
	e.flags = f
	e.check = e.seal()
}
