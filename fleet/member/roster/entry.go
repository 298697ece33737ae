package roster

import (
	"cmp"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// An Instance is one life of a node: a process from its start to its end.
// Later starts have greater numbers.
type Instance uint64

// NewInstance returns the instance that started at start. random tells
// instances of the same millisecond apart.
func NewInstance(start time.Time, random uint16) Instance {
	return Instance(uint64(start.UnixMilli())<<16 | uint64(random))
}

// Started returns when the instance started, to the millisecond.
func (i Instance) Started() time.Time { return time.UnixMilli(int64(i >> 16)) }

// maxFormer is how many former windows an Entry keeps. Each costs its node a
// lead at least, so they reach back further than any slot that is caught up.
const maxFormer = 3

// A Window is a stretch of time in which a life served: slots at or after
// From and before Until. It is empty if they are equal.
type Window struct{ From, Until time.Time }

// An Entry is what is known of one life of a node. Times are to the
// millisecond.
type Entry struct {
	Name     string
	Addr     string // host:port where it answers
	Instance Instance
	Seq      uint32    // rises with every announcement of this instance
	From     time.Time // serves slots at or after From; zero: does not take part yet
	Until    time.Time // serves slots before Until; zero: no end announced
	Down     bool      // found dead
	DownAt   time.Time // latest proof of life known to who found it dead

	// Former are windows of this life that are over or were called off, the
	// latest first: it was fenced, or moved its From. So who owned a slot that
	// has passed has the same answer at every node.
	Former [maxFormer]Window

	Version string
	Zone    string
	Config  uint64 // hash of its configuration
}

// supersedes reports whether a is newer than b, of the same instance.
func (a *Entry) supersedes(b *Entry) bool {
	if a.Seq != b.Seq {
		return a.Seq > b.Seq
	}
	if a.Down != b.Down {
		return a.Down
	}
	return a.Down && a.DownAt.After(b.DownAt)
}

// end returns when the entry stops serving, or the zero time.
func (a *Entry) end() time.Time {
	end := a.Until
	if a.Down && (end.IsZero() || a.DownAt.Before(end)) {
		end = a.DownAt
	}
	return end
}

// windows appends the entry's windows to list as members. An empty one is
// among them if it died or left before its From: who hears of that late learns
// that it has served nothing.
func (a *Entry) windows(list []owner.Member) []owner.Member {
	for _, w := range a.Former {
		if !w.From.IsZero() {
			list = append(list, owner.Member{Name: a.Name, From: w.From, Until: w.Until})
		}
	}
	if a.From.IsZero() {
		return list
	}
	end := a.end()
	if !end.IsZero() {
		end = later(end, a.From)
	}
	return append(list, owner.Member{Name: a.Name, From: a.From, Until: end})
}

// retire makes the present window a former one that ended at end, and leaves
// the entry without one.
func (a *Entry) retire(end time.Time) {
	copy(a.Former[1:], a.Former[:])
	a.Former[0] = Window{From: a.From, Until: later(end, a.From)}
	a.From, a.Until = time.Time{}, time.Time{}
}

// departed reports whether the entry's life is over at now.
func (a *Entry) departed(now time.Time) bool {
	return a.Down || !a.Until.IsZero() && !now.Before(a.Until)
}

// claims reports whether the entry's life holds its name for as long as is
// known.
func (a *Entry) claims() bool { return !a.Down && a.Until.IsZero() }

// before orders two lives that claim one name at the same time: the one that
// serves for longer stays, then the one that started first.
func (a *Entry) before(b *Entry) bool {
	if a.From.IsZero() != b.From.IsZero() {
		return b.From.IsZero()
	}
	return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Instance, b.Instance)) < 0
}
