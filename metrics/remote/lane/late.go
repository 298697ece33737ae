package lane

import (
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

// A Lateness remembers the series of a lane that the receiver refused because
// it has newer samples of them: their target has moved to another node, which
// is ahead of what this one still has to deliver. What waits of them from
// before the refusal is dropped without asking again, and without a search by
// halves for each record.
//
// It is used by the sender of its lane only. The zero value knows none.
type Lateness struct {
	until  map[uint64]int64 // by the hash of their labels: when they were refused, Unix ms
	newest int64            // of until
}

// maxLate bounds the series that are remembered.
const maxLate = 100_000

// lateAnswers are what receivers say of samples that are too late.
var lateAnswers = []string{"out of order", "out-of-order", "too old", "too-old", "out of bounds", "out-of-bounds"}

// tellsLate reports whether a refusal means the time of samples.
func tellsLate(text string) bool {
	text = strings.ToLower(text)
	for _, a := range lateAnswers {
		if strings.Contains(text, a) {
			return true
		}
	}
	return false
}

// Note remembers l, a single series that was refused alone, if the text of the
// refusal says that it is late.
func (x *Lateness) Note(l wire.Load, text string, now time.Time) {
	if x == nil || len(l.Series) != 1 || !tellsLate(text) || len(x.until) >= maxLate {
		return
	}
	if x.until == nil {
		x.until = map[uint64]int64{}
	}
	x.newest = now.UnixMilli()
	x.until[xxhash.Sum64String(l.LabelsOf(l.Series[0]))] = x.newest
}

// Timely returns l without late series, and what those had. After the last
// record that can have some everything is forgotten.
func (x *Lateness) Timely(l wire.Load) (rest wire.Load, late wire.Counts) {
	if x == nil || len(x.until) == 0 || len(l.Recs) != 1 || l.Kind == wire.KindMetadata1 {
		return l, late
	}
	if l.Recs[0].MinTime > x.newest {
		*x = Lateness{}
		return l, late
	}
	return l.Without(func(d wire.Load, series []byte) bool {
		until, ok := x.until[xxhash.Sum64String(d.LabelsOf(series))]
		return ok && d.Newest(series) <= until
	})
}

// Limit returns how many samples the next request may have: while there are
// late series, records are sent one at a time.
func (x *Lateness) Limit(most int) int {
	if len(x.until) > 0 {
		return 1
	}
	return most
}
