package schedule

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A Round is what one wake-up of the clock found.
type Round struct {
	Due  []Due
	Lost []Lost

	// Missed counts slots that were ours and that nobody serves, as far as this
	// node can know: those of a delay but for the latest, and those of a node
	// that died or was stopped that are too old to be caught up.
	Missed int
}

func (r Round) empty() bool { return len(r.Due) == 0 && len(r.Lost) == 0 && r.Missed == 0 }

// Due is a slot that is ours and has come.
type Due struct {
	Key      owner.Key
	Slot     time.Time // nominal; no monotonic reading
	Late     time.Duration
	From     string // the key is new here and this node, which may have left or died since, owned the slot before; empty: it is not
	CaughtUp bool   // it became ours after it had passed
}

// Lost is a slot of a key that was ours and is no more.
type Lost struct {
	Key   owner.Key
	Slot  time.Time
	Owner string // who owns it; empty: nobody
	Slots int    // 1: the first that is not ours; it is told up to MaxLost
}

// MaxLost is for how many slots a lost key is told: so the engine can keep
// what it remembers of it for two intervals, without a timer of its own.
const MaxLost = 3

// slots is a heap of entries by their next slot.
type slots []*timed

func (s slots) Len() int           { return len(s) }
func (s slots) Less(i, j int) bool { return s[i].next < s[j].next }
func (s slots) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push and Pop complete heap.Interface; the queue is only rebuilt and fixed.
func (s *slots) Push(x any) { *s = append(*s, x.(*timed)) }
func (s *slots) Pop() any {
	old := *s
	t := old[len(old)-1]
	*s = old[:len(old)-1]
	return t
}
