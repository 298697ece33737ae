package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A look at 100,000 keys after one of 1,000 nodes died.
func BenchmarkLook100kKeys1000Nodes(b *testing.B) {
	for _, q := range []owner.Quorum{{}, {Size: 900, Patience: time.Minute}} {
		b.Run(fmt.Sprintf("quorum=%d", q.Size), func(b *testing.B) {
			now := time.Now().Round(0)
			members := make([]owner.Member, 1000)
			for i := range members {
				members[i] = owner.Member{Name: fmt.Sprintf("node-%d", i), From: now.Add(time.Duration(i-5000) * time.Second)}
			}
			before := owner.NewView(members...).WithQuorum(q)
			members[7].Until = now.Add(-4 * time.Second)
			after := before.With(members...)
			a := NewAgenda("node-8")
			rnd := rand.New(rand.NewPCG(1, 2))
			var entries []Entry
			for range 100_000 {
				entries = append(entries, Entry{Key: owner.Key(rnd.Uint64()), Interval: 10 * time.Second})
			}
			a.Set(now, entries)
			now = now.Add(15 * time.Second)
			a.Turn(now, before, false)
			for _, t := range a.entries { // so that every slot is looked at
				t.since = 0
			}
			for b.Loop() {
				a.late, a.view = nil, before
				a.Turn(now, after, true)
			}
		})
	}
}
