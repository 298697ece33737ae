package lane

import "testing"

func TestLanesFollowTheLoad(t *testing.T) {
	f := func(p Pace, want int) {
		t.Helper()
		p.Min, p.Max, p.Capacity = 1, 50, 1000
		if got := Next(p); got != want {
			t.Errorf("%+v gives %d lanes; want %d", p, got, want)
		}
	}
	f(Pace{Lanes: 1}, 1)
	f(Pace{Lanes: 1, Senders: 1, Busy: 1, Backlog: 5000, Before: 4000, Delivered: 1000}, 3)  // twice as much comes
	f(Pace{Lanes: 3, Senders: 1, Busy: 1, Backlog: 5000, Before: 4000, Delivered: 1000}, 3)  // the change has not come through yet
	f(Pace{Lanes: 1, Senders: 1, Busy: 1, Backlog: 99_000, Before: 0, Delivered: 100}, 50)   // at most the maximum
	f(Pace{Lanes: 4, Senders: 4, Busy: 1, Backlog: 5000, Before: 5000, Delivered: 1000}, 5)  // it does not shrink
	f(Pace{Lanes: 4, Senders: 4, Busy: 1, Backlog: 5000, Before: 9000, Delivered: 1000}, 4)  // it shrinks: enough
	f(Pace{Lanes: 4, Senders: 4, Busy: 1, Backlog: 500, Before: 100, Delivered: 1000}, 4)    // it fits what is read ahead
	f(Pace{Lanes: 4, Senders: 4, Busy: 0.5, Backlog: 5000, Before: 0, Delivered: 1000}, 4)   // they have time left
	f(Pace{Lanes: 4, Senders: 4, Busy: 1, Backlog: 5000, Before: 0, Delivered: 0}, 4)        // nothing to reckon with
	f(Pace{Lanes: 4, Senders: 4, Busy: 1, Backlog: 5000, Delivered: 1000, Failing: true}, 4) // more would not help
	f(Pace{Lanes: 4, Senders: 4, Busy: 0.1, Backlog: 10}, 2)
	f(Pace{Lanes: 4, Senders: 4, Busy: 0.1, Backlog: 5000, Before: 9000}, 4)
	f(Pace{Lanes: 1, Senders: 1, Busy: 0.1}, 1)
}

func TestOnlyLatenessIsRemembered(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := tellsLate(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	f("out of order sample", true)
	f("failed pushing to ingester: user=x: the sample has been rejected because another sample with a more recent timestamp has already been ingested (err-mimir-sample-out-of-order)", true)
	f("err-mimir-sample-timestamp-too-old", true)
	f("label name is not valid", false)
	f("", false)
}
