package telemetry_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// Each of the sinks of a fan-out receives what a single one would.
func TestFanoutIsASink(t *testing.T) {
	for which := range 2 {
		sinktest.TestSink(t, func(*testing.T) sinktest.Fixture {
			sinks := []*sinktest.Recorder{sinktest.NewRecorder(), sinktest.NewRecorder()}
			return sinktest.Fixture{
				Sink:     telemetry.Fanout([]telemetry.Sink{sinks[0], sinks[1]}),
				Change:   sinks[1-which].Change,
				Received: sinks[which].Points,
			}
		})
	}
}

func TestFanoutOfOneIsThatSink(t *testing.T) {
	r := sinktest.NewRecorder()
	if got := telemetry.Fanout([]telemetry.Sink{r}); got != telemetry.Sink(r) {
		t.Errorf("fan-out of one is %T; want the sink itself", got)
	}
}

func TestFanoutOfNoneDrops(t *testing.T) {
	s := telemetry.Fanout(nil)
	if h := s.Resolve(labels.FromStrings("a", "b"), nil); h != telemetry.Dropped {
		t.Errorf("handle %x; want Dropped", h)
	}
	if err := s.Append(&telemetry.Batch{Epoch: s.Epoch()}); err != nil {
		t.Errorf("append: %v", err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// A sink that refuses keeps neither the other sinks from taking the batch nor
// the caller from hearing of it.
func TestFanoutTellsWhoRefuses(t *testing.T) {
	bad, good := sinktest.NewRecorder(), sinktest.NewRecorder()
	s := telemetry.Fanout([]telemetry.Sink{bad, good})
	h := s.Resolve(labels.FromStrings("a", "b"), nil)
	full := errors.New("full")
	bad.Fail(full)
	err := s.Append(&telemetry.Batch{Epoch: s.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: 1}}})
	if !errors.Is(err, full) {
		t.Errorf("append: %v; want %v", err, full)
	}
	if n := len(good.Points()); n != 1 {
		t.Errorf("the other sink has %d points; want 1", n)
	}
}

// Every hold that a fan-out takes in its sinks is given back.
func TestFanoutReleasesInEverySink(t *testing.T) {
	a, b := sinktest.NewRecorder(), sinktest.NewRecorder()
	s := telemetry.Fanout([]telemetry.Sink{a, b})
	lset := labels.FromStrings("a", "b")
	h := s.Resolve(lset, nil)
	s.Resolve(lset, nil)
	s.Release([]telemetry.Handle{h})
	want := map[string]int{lset.String(): 1}
	for _, r := range []*sinktest.Recorder{a, b} {
		if diff := cmp.Diff(want, r.Held()); diff != "" {
			t.Errorf("holds (-want +got):\n%s", diff)
		}
	}
	s.Release([]telemetry.Handle{h})
	if n := len(a.Held()) + len(b.Held()); n != 0 {
		t.Errorf("%d series are still held", n)
	}
}

// A part keeps the start timestamps at its samples, also where others in
// between go elsewhere.
func TestFanoutKeepsStarts(t *testing.T) {
	a, b := sinktest.NewRecorder(), sinktest.NewRecorder()
	s := telemetry.Fanout([]telemetry.Sink{a, b})
	h := s.Resolve(labels.FromStrings("a", "b"), nil)
	err := s.Append(&telemetry.Batch{
		Epoch:   s.Epoch(),
		Samples: []telemetry.Sample{{T: 1}, {Handle: h, T: 2}, {Handle: h, T: 3}},
		Starts:  []telemetry.Start{{Index: 0, T: 10}, {Index: 2, T: 30}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]int64{}
	for _, p := range b.Points() {
		got[p.T] = p.ST
	}
	if diff := cmp.Diff(map[int64]int64{2: 0, 3: 30}, got); diff != "" {
		t.Errorf("starts (-want +got):\n%s", diff)
	}
}
