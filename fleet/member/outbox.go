package member

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// retransmits is how often a statement is sent, times the digits of the number
// of nodes.
const retransmits = 4

// An outbox holds statements for other software until they were sent often
// enough, the latest about each node. (memberlist's own queue takes messages
// of equal length for each other once it has been empty, and loses some.)
type outbox struct {
	mu      sync.Mutex
	waiting []*waiting
}

// A waiting is one statement with the number of times that it was sent.
type waiting struct {
	about ckit.Statement
	bytes []byte
	sent  int
}

// put adds a statement, unless a later one about the same node waits.
func (o *outbox) put(st ckit.Statement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.waiting, func(w *waiting) bool { return w.about.Node == st.Node })
	if at >= 0 {
		if o.waiting[at].about.Time > st.Time {
			return
		}
		o.waiting = slices.Delete(o.waiting, at, at+1)
	}
	o.waiting = append(o.waiting, &waiting{about: st, bytes: st.Encode()})
}

// take returns messages to send to one of so many nodes, those first that were
// sent least. Each takes overhead more bytes than it has; together they take
// limit at most.
func (o *outbox) take(overhead, limit, nodes int) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.SortStableFunc(o.waiting, func(a, b *waiting) int { return cmp.Compare(a.sent, b.sent) })
	var messages [][]byte
	for _, w := range o.waiting {
		if size := overhead + len(w.bytes); size <= limit {
			limit -= size
			messages = append(messages, w.bytes)
			w.sent++
		}
	}
	often := retransmits * int(math.Ceil(math.Log10(float64(nodes+1))))
	o.waiting = slices.DeleteFunc(o.waiting, func(w *waiting) bool { return w.sent >= often })
	return messages
}

// broadcast gossips a statement for other software. A node whose name another
// one has by right says nothing about it.
func (n *Node) broadcast(st ckit.Statement) {
	if st.Node == n.cfg.Name && n.Stage() == roster.Displaced {
		return
	}
	n.meters.broadcasts.Inc()
	n.outbox.put(st)
}
