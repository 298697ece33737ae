package member

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
)

// A dumbOutbox is the outbox as one would say it: among all statements there
// ever were, the last and latest of each node that was not sent often enough.
type dumbOutbox struct{ said []dumbStatement }

type dumbStatement struct {
	ckit.Statement
	sent, order int
	over        bool
}

func (d *dumbOutbox) put(st ckit.Statement) {
	for i, s := range d.said {
		if s.Node == st.Node && !s.over {
			if s.Time > st.Time {
				return
			}
			d.said[i].over = true
		}
	}
	d.said = append(d.said, dumbStatement{Statement: st, order: len(d.said)})
}

func (d *dumbOutbox) take(overhead, limit, nodes int) (list [][]byte) {
	var waiting []int
	for i, s := range d.said {
		if !s.over {
			waiting = append(waiting, i)
		}
	}
	slices.SortFunc(waiting, func(a, b int) int {
		x, y := d.said[a], d.said[b]
		return cmp.Or(cmp.Compare(x.sent, y.sent), cmp.Compare(x.order, y.order))
	})
	for _, i := range waiting {
		s := &d.said[i]
		b := s.Encode()
		if overhead+len(b) > limit {
			continue
		}
		limit -= overhead + len(b)
		list = append(list, b)
		s.sent++
	}
	for i, s := range d.said {
		if s.sent >= retransmits*int(math.Ceil(math.Log10(float64(nodes+1)))) {
			d.said[i].over = true
		}
	}
	return list
}

// The outbox sends the same messages as its dumb twin; those equally often sent
// may come in another order.
func TestOutboxSendsWhatItsTwinSends(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		var o outbox
		var twin dumbOutbox
		nodes := 1 + rnd.IntN(200)
		for range 200 {
			if rnd.IntN(3) == 0 {
				st := ckit.Statement{Node: fmt.Sprint("n", rnd.IntN(6)), State: ckit.State(rnd.IntN(3)), Time: ckit.Time(rnd.IntN(20))}
				o.put(st)
				twin.put(st)
				continue
			}
			// Room for all, so that the order among equals does not matter.
			got, want := o.take(2, 10_000, nodes), twin.take(2, 10_000, nodes)
			slices.SortFunc(got, bytes.Compare)
			slices.SortFunc(want, bytes.Compare)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("seed %d: sent %q, the twin %q", seed, got, want)
			}
		}
	}
}

// What does not fit waits, and has had its turn by the time all are through.
func TestOutboxKeepsToTheLimit(t *testing.T) {
	var o outbox
	for i := range 40 {
		o.put(ckit.Statement{Node: fmt.Sprintf("node-%02d", i), State: ckit.Participant, Time: 1})
	}
	sent := map[string]int{}
	for range 40 * retransmits {
		list := o.take(3, 200, 9)
		size := 0
		for _, b := range list {
			size += 3 + len(b)
			sent[string(b)]++
		}
		if size > 200 {
			t.Fatalf("%d bytes at once", size)
		}
	}
	if len(sent) != 40 || len(o.waiting) > 0 {
		t.Errorf("%d of 40 statements were sent, %d wait", len(sent), len(o.waiting))
	}
	for b, n := range sent {
		if n != retransmits {
			t.Errorf("%q was sent %d times", b, n)
		}
	}
}
