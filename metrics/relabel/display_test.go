package relabel_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/metrics/relabel"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// A source appends a sample of each of its series, as scrapes do.
type source struct {
	sink    telemetry.Sink
	series  []labels.Labels
	epoch   telemetry.Epoch
	handles []telemetry.Handle
	again   int // how often it had to resolve
}

func (s *source) append() error {
	for range 5 {
		b := telemetry.Batch{Epoch: s.epoch}
		for _, h := range s.handles {
			if h != telemetry.Dropped {
				b.Samples = append(b.Samples, telemetry.Sample{Handle: h})
			}
		}
		err := s.sink.Append(&b)
		if !errors.Is(err, telemetry.ErrEpoch) {
			return err
		}
		old := s.handles
		s.epoch, s.handles = s.sink.Epoch(), nil
		for _, lset := range s.series {
			s.handles = append(s.handles, s.sink.Resolve(lset, nil))
		}
		s.sink.Release(old)
		s.again++
	}
	return errors.New("the rules keep changing")
}

// A watched is a source in front of rules that somebody may watch.
type watched struct {
	*source
	feed *live.Feed
	next *sinktest.Recorder
}

func newWatched() watched {
	w := watched{feed: new(live.Feed), next: sinktest.NewRecorder()}
	rules := relabel.New(relabel.Config{
		Next: w.next, Live: w.feed,
		Rules: []*promrelabel.Config{
			rule(promrelabel.Drop, "a", "2", "", ""),
			rule(promrelabel.Replace, "a", "(.*)", "b", "x$1"),
		},
	})
	w.source = &source{sink: rules, series: []labels.Labels{labels.FromStrings("a", "1"), labels.FromStrings("a", "2")}}
	return w
}

// Samples of series that were known before anybody watched are shown as well,
// and what is dropped is shown when its series comes.
func TestWatchersSeeBeforeAndAfter(t *testing.T) {
	s := newWatched()
	turn := func(w *live.Watcher, want ...string) {
		t.Helper()
		if err := s.append(); err != nil {
			t.Fatal(err)
		}
		got, _ := w.Take()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if err := s.append(); err != nil || s.again != 1 {
		t.Fatal(err, s.again)
	}
	const kept, dropped = `{a="1"} => {a="1", b="x1"}`, `{a="2"} => dropped`
	for again := range 2 {
		w := s.feed.Watch(1)
		turn(w, dropped, kept)
		turn(w, kept)
		s.series = append(s.series, labels.FromStrings("a", "3"))
		s.handles = append(s.handles, s.sink.Resolve(s.series[len(s.series)-1], nil))
		turn(w, kept, `{a="3"} => {a="3", b="x3"}`)
		w.Close()
		turn(w)
		if s.again != 2+again {
			t.Errorf("resolved %d times", s.again)
		}
		s.sink.Release(s.handles[2:])
		s.series, s.handles = s.series[:2], s.handles[:2]
	}
	if n := len(s.next.Held()); n != 1 {
		t.Errorf("the next sink holds %d series", n)
	}
}

// A sample that passes is counted, watched or not.
func TestFlowCountsWhatPasses(t *testing.T) {
	var flow live.Flow
	next := sinktest.NewRecorder()
	s := &source{sink: relabel.New(relabel.Config{Next: next, Flow: &flow}), series: []labels.Labels{labels.FromStrings("a", "1")}}
	for range 3 {
		if err := s.append(); err != nil {
			t.Fatal(err)
		}
	}
	if flow.Count() != 3 {
		t.Errorf("counted %d", flow.Count())
	}
}

// Watchers who come and go lose no sample of any source.
func TestWatchersLoseNothing(t *testing.T) {
	s := newWatched()
	const sources, turns = 4, 200
	var wg sync.WaitGroup
	wg.Go(func() {
		for range turns {
			w := s.feed.Watch(1)
			w.Take()
			w.Close()
		}
	})
	for i := range sources {
		one := &source{sink: s.sink, series: []labels.Labels{labels.FromStrings("a", fmt.Sprint("s", i))}}
		wg.Go(func() {
			for range turns {
				if err := one.append(); err != nil {
					t.Error(err)
				}
			}
			one.sink.Release(one.handles)
		})
	}
	wg.Wait()
	points := s.next.Points()
	if len(points) != sources*turns {
		t.Errorf("%d samples arrived; want %d", len(points), sources*turns)
	}
	if slices.ContainsFunc(points, func(p sinktest.Point) bool { return p.Series == "" }) {
		t.Error("a sample without a series")
	}
	if n := len(s.next.Held()); n != 0 {
		t.Errorf("the next sink holds %d series", n)
	}
}
