package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/fleet/owner"
)

func TestAQuorumSaysHowLongItIsWaitedFor(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	f := func(asked owner.Quorum, now int, want Quorum) {
		t.Helper()
		view := owner.NewView(owner.Member{Name: "a", From: at(0)}, owner.Member{Name: "b", From: at(10), Until: at(20)}).WithQuorum(asked)
		if diff := cmp.Diff(want, quorumOf(view, at(now))); diff != "" {
			t.Errorf("at %d: %s", now, diff)
		}
	}
	f(owner.Quorum{}, 5, Quorum{Serving: 1, Admits: true})
	two := owner.Quorum{Size: 2, Patience: 30 * time.Second}
	f(two, 5, Quorum{Needed: 2, Serving: 1, Since: at(0), Deadline: at(30)})
	f(two, 15, Quorum{Needed: 2, Serving: 2, Admits: true})
	f(two, 25, Quorum{Needed: 2, Serving: 1, Since: at(20), Deadline: at(50)})
	f(two, 55, Quorum{Needed: 2, Serving: 1, Admits: true, Since: at(20), Deadline: at(50)})
	f(owner.Quorum{Size: 3}, 15, Quorum{Needed: 3, Serving: 2, Since: at(0)})
}
