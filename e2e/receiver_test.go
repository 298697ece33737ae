package e2e

import (
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A receiver that refuses connections costs nothing but time.
func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 20, Series: 200})
	w.down()
	w.wait(*outage)
	w.listen()
	w.delivered(30*time.Second + *outage/4)
	d.stop()
	w.complete(int64(20 * (outage.Seconds() - 1)))
}

// Whatever a receiver does instead of taking requests, everything arrives once
// it takes them again, once and in order.
func TestFaultsLoseNothing(t *testing.T) {
	f := func(name string, fault testbed.Fault, duplicates bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d := run(t, testbed.FleetConfig{Targets: 10, Series: 100})
			w.receiver.SetFault(fault)
			w.wait(10 * time.Second)
			w.receiver.SetFault(testbed.Fault{})
			w.answered(20)
			d.stop()
			if r := w.receiver.Report(); r.Refused == 0 && !fault.Taken && fault.Latency == 0 {
				t.Error("no request met the fault")
			}
			if duplicates {
				w.nothingLost()
			} else {
				w.complete(80)
			}
		})
	}
	f("500", testbed.Fault{Status: 500}, false)
	f("503 to every second", testbed.Fault{Status: 503, Every: 2}, false)
	f("429 with Retry-After", testbed.Fault{Status: 429, RetryAfter: 2 * time.Second}, false)
	f("hang", testbed.Fault{Hang: true}, false)
	f("reset", testbed.Fault{Reset: true}, false)
	f("slow", testbed.Fault{Latency: 700 * time.Millisecond}, false)
	// The receiver has taken what the sender must repeat: at least once.
	f("answer lost", testbed.Fault{Reset: true, Taken: true}, true)
}

// A receiver that says when to come back is not asked before.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 4, Series: 50})
	w.receiver.SetFault(testbed.Fault{Status: 429, RetryAfter: 3 * time.Second})
	before := w.receiver.Report().Refused
	w.wait(9 * time.Second)
	refused := w.receiver.Report().Refused - before
	w.receiver.SetFault(testbed.Fault{})
	// Every sender may come back at 0, 3, 6 and 9 s.
	if refused == 0 || refused > 4*8 {
		t.Errorf("asked %d times in 9 s", refused)
	}
	d.stop()
	w.complete(30)
}

// One series in ten thousand that the receiver refuses costs that series.
func TestBadSeriesCostsOnlyItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 1000, Defective: 1})
	w.receiver.SetFault(testbed.Fault{RejectLabel: "defect", Text: "out of bounds"})
	d := w.newDivvy()
	d.start()
	w.answered(100)
	d.stop()
	w.complete(100)
	r := w.receiver.Report()
	if want := r.Scrapes * 1001; r.Samples != want {
		t.Errorf("%d samples arrived; want %d: all but those of the bad series", r.Samples, want)
	}
	if r.Refused == 0 {
		t.Error("the bad series was never sent")
	}
}

// Remote write 2.0 carries the same.
func TestRemoteWrite2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 5, Series: 100})
	d := w.newDivvy()
	d.configure(w.config("  honor_metadata = true\n", w.endpoint(9009, "    protobuf_message = \"io.prometheus.write.v2.Request\"\n")))
	d.args = []string{"--stability.level=experimental"}
	d.start()
	w.answered(40)
	d.stop()
	w.complete(40)
	if r := w.receiver.Report(); r.Samples != r.Scrapes*101 || r.Metadata == 0 {
		t.Errorf("%d samples of %d scrapes, %d times metadata", r.Samples, r.Scrapes, r.Metadata)
	}
}

// An endpoint that is down keeps nothing from another, and gets it all later.
func TestEndpointsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 5, Series: 100})
	d := w.newDivvy()
	d.configure(w.config("", w.endpoint(9009, ""), w.endpoint(9010, "    name = \"second\"\n")))
	d.start()
	w.answered(40)
	w.delivered(10 * time.Second)
	second := testbed.NewReceiver(testbed.ReceiverConfig{Verify: true})
	sink := w.serve(w.host+":9010", second)
	defer sink.Close()
	w.answered(10)
	d.stop()
	w.complete(50)
	if lost := testbed.Check(w.fleet, second, time.Now()).Lost; len(lost) > 0 {
		t.Errorf("%d scrapes did not arrive at the second endpoint: %s", len(lost), describe(lost))
	}
}
