package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A world is what a divvy of one test lives in.
type world struct {
	t        *testing.T
	fleet    *testbed.Fleet
	receiver *testbed.Receiver

	host    string // an address that no other test uses
	targets *testbed.Server
	sink    *testbed.Server // nil while the receiver is down
}

// hosts numbers the worlds of this process.
var hosts atomic.Int32

// newWorld starts a fleet and a receiver on loopback, and ends them with the
// test.
func newWorld(t *testing.T, cfg testbed.FleetConfig) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("runs processes for seconds")
	}
	n := hosts.Add(1)
	return openWorld(t, cfg, fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()%128, os.Getpid()/128%256, n))
}

// openWorld starts a world at an address of this machine.
func openWorld(t *testing.T, cfg testbed.FleetConfig, host string) *world {
	t.Helper()
	w := &world{
		t:        t,
		fleet:    testbed.NewFleet(cfg),
		receiver: testbed.NewReceiver(testbed.ReceiverConfig{Verify: true, Record: true}),
		host:     host,
	}
	w.targets = w.serve(w.host+":9100", w.fleet)
	w.listen()
	t.Cleanup(func() {
		w.targets.Close()
		w.down()
	})
	return w
}

func (w *world) serve(addr string, h http.Handler) *testbed.Server {
	w.t.Helper()
	s, err := testbed.Serve(addr, 0, h)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// listen lets the receiver listen.
func (w *world) listen() { w.sink = w.serve(w.host+":9009", w.receiver) }

// down closes the receiver's port: connections are refused.
func (w *world) down() {
	if w.sink != nil {
		w.sink.Close()
	}
	w.sink = nil
}

// wait lets d pass.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	select {
	case <-time.After(d):
	case <-w.t.Context().Done():
		w.t.Fatal("interrupted")
	}
}

// until waits for ok to become true, or fails the test after limit.
func (w *world) until(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(limit); !ok(); w.wait(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// arrived waits until n more scrapes have arrived.
func (w *world) arrived(n int64) {
	w.t.Helper()
	have := w.receiver.Report().Scrapes
	w.until(30*time.Second, fmt.Sprintf("%d more scrapes arrive", n), func() bool {
		return w.receiver.Report().Scrapes >= have+n
	})
}

// delivered waits until nothing is missing that is older than 2 s.
func (w *world) delivered(limit time.Duration) {
	w.t.Helper()
	w.until(limit, "everything has arrived", func() bool {
		lost, _ := w.lost(time.Now().Add(-2 * time.Second))
		return len(lost) == 0
	})
}

// answered waits until the targets have answered n more scrapes.
func (w *world) answered(n int64) {
	w.t.Helper()
	have := w.fleet.Answered()
	w.until(30*time.Second, fmt.Sprintf("%d more scrapes are made", n), func() bool {
		return w.fleet.Answered() >= have+n
	})
}

// lost returns the scrapes that were answered before the given time and have
// not arrived. A scrape whose answer came too late for divvy is none: an up of
// 0 has arrived for it. On a machine that is short of CPU there are a few.
func (w *world) lost(before time.Time) (lost []testbed.Scrape, late int) {
	all := testbed.Check(w.fleet, w.receiver, before).Lost
	down := w.downAt()
	for _, s := range all {
		if !slices.ContainsFunc(down[s.Target], func(at time.Time) bool {
			return at.After(s.Time.Add(-time.Second)) && at.Before(s.Time.Add(100*time.Millisecond))
		}) {
			lost = append(lost, s)
		}
	}
	return lost, len(all) - len(lost)
}

// downAt returns when each target was down, as up says.
func (w *world) downAt() map[string][]time.Time {
	down := map[string][]time.Time{}
	for instance, points := range w.up() {
		for _, p := range points {
			if p.V == 0 {
				down[instance] = append(down[instance], time.UnixMilli(p.T))
			}
		}
	}
	return down
}

// up returns the samples of up by instance, without markers.
func (w *world) up() map[string][]testbed.Point {
	all := map[string][]testbed.Point{}
	for name, points := range w.receiver.Series() {
		if !strings.Contains(name, `__name__="up"`) {
			continue
		}
		_, rest, _ := strings.Cut(name, `instance="`)
		instance, _, _ := strings.Cut(rest, `"`)
		all[instance] = slices.DeleteFunc(points, testbed.Point.Stale)
	}
	return all
}

// complete fails the test unless at least that many scrapes were made, and all
// of them arrived, each once, in order.
func (w *world) complete(atLeast int64) {
	w.t.Helper()
	r := w.receiver.Report()
	w.t.Logf("%d scrapes answered, %+v", w.fleet.Answered(), r)
	if n := w.fleet.Answered(); n < atLeast {
		w.t.Errorf("only %d scrapes were made; want at least %d", n, atLeast)
	}
	w.nothingLost()
	if r.Duplicates != 0 || r.SeriesRepeated != 0 {
		w.t.Errorf("%d scrapes and %d samples arrived twice", r.Duplicates, r.SeriesRepeated)
	}
	if r.SeriesOutOfOrder != 0 {
		w.t.Errorf("%d samples arrived out of order", r.SeriesOutOfOrder)
	}
}

// nothingLost fails the test unless everything arrived, in order, once or more.
func (w *world) nothingLost() {
	w.t.Helper()
	lost, late := w.lost(time.Now())
	if len(lost) > 0 {
		w.t.Errorf("%d scrapes were lost, the first: %s", len(lost), describe(lost))
	}
	if late > 0 {
		w.t.Logf("%d scrapes were answered too late", late)
	}
	if int64(late)*10 > w.fleet.Answered() {
		w.t.Error("that is too many")
	}
	if n := w.receiver.Report().OutOfOrder; n != 0 {
		w.t.Errorf("%d scrapes arrived out of order", n)
	}
}

// describe names the first few of a list of scrapes.
func describe(list []testbed.Scrape) (text string) {
	for _, s := range list[:min(len(list), 5)] {
		text += fmt.Sprintf("%s/%d at %s ", s.Target, s.Seq, s.Time.Format("15:04:05.000"))
	}
	return text
}
