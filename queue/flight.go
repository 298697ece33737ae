package queue

import (
	"cmp"
	"slices"
)

// flight is one record that Next has handed out.
type flight struct {
	h     header
	g     *group // holds the payload
	acked bool
}

// flights are the records that were handed out and are not acked, or wait for
// an older one to be acked, in order. Log.mu guards them.
type flights struct {
	list []flight // list[head:] counts
	head int
	open int // not acked
}

func (f *flights) live() []flight { return f.list[f.head:] }

// add appends a record, which has the highest sequence number of all.
func (f *flights) add(h header, g *group) {
	f.list = append(f.list, flight{h: h, g: g})
	f.open++
}

// find returns the record with seq that is not acked, or nil.
func (f *flights) find(seq uint64) *flight {
	live := f.live()
	i, ok := slices.BinarySearchFunc(live, seq, func(x flight, seq uint64) int {
		return cmp.Compare(x.h.seq, seq)
	})
	if !ok || live[i].acked {
		return nil
	}
	return &live[i]
}

// ack marks x, which find has returned, and forgets what is acked in front.
func (f *flights) ack(x *flight) {
	x.acked, x.g = true, nil
	f.open--
	for f.head < len(f.list) && f.list[f.head].acked {
		f.head++
	}
	if f.head*2 >= len(f.list) {
		n := copy(f.list, f.live())
		clear(f.list[n:])
		f.list, f.head = f.list[:n], 0
	}
}

// between sums up the records from first to last that are not acked.
func (f *flights) between(first, last uint64) (sum amount) {
	for _, x := range f.live() {
		if !x.acked && x.h.seq >= first && x.h.seq <= last {
			sum.add(x.h)
		}
	}
	return sum
}
