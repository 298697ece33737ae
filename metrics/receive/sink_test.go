package receive

import (
	"context"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A ledger is a sink that writes everything down and checks its callers.
type ledger struct {
	t  *testing.T
	id telemetry.SinkID

	mu       sync.Mutex
	epoch    telemetry.Epoch
	drop     func(telemetry.Labels) bool
	byLabels map[telemetry.Labels]int
	lsets    []telemetry.Labels
	mds      []*telemetry.Metadata
	holds    []int
	resolved int
	batches  []telemetry.Batch // with copies of the slices
	keys     map[string]uint64 // labels -> batch key
	flushes  int
	refuse   error // what Append and Flush answer
	onFlush  func() error
}

func newLedger(t *testing.T) *ledger {
	return &ledger{
		t: t, id: telemetry.NewSinkID(), epoch: telemetry.NextEpoch(),
		byLabels: map[telemetry.Labels]int{}, keys: map[string]uint64{},
		drop: func(telemetry.Labels) bool { return false },
	}
}

func (l *ledger) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resolved++
	if l.drop(lset) {
		return telemetry.Dropped
	}
	i, known := l.byLabels[lset]
	if !known {
		i = len(l.lsets)
		l.byLabels[lset] = i
		l.lsets = append(l.lsets, lset.Copy())
		l.mds = append(l.mds, nil)
		l.holds = append(l.holds, 0)
	}
	if md != nil {
		copied := *md
		l.mds[i] = &copied
	}
	l.holds[i]++
	return l.id.Handle(i + 1)
}

func (l *ledger) Epoch() telemetry.Epoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// turn changes the rules.
func (l *ledger) turn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = telemetry.NextEpoch()
}

func (l *ledger) Append(b *telemetry.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Epoch != l.epoch {
		return telemetry.ErrEpoch
	}
	if l.refuse != nil {
		return l.refuse
	}
	for _, s := range b.Samples {
		i, ours := l.id.Index(s.Handle)
		if !ours || l.holds[i-1] == 0 {
			l.t.Errorf("a sample with handle %x, which nobody holds", s.Handle)
			continue
		}
		name := l.lsets[i-1].String()
		if key, seen := l.keys[name]; seen && key != b.Key {
			l.t.Errorf("%s in batches with keys %x and %x", name, key, b.Key)
		}
		l.keys[name] = b.Key
	}
	l.batches = append(l.batches, telemetry.Batch{
		Key: b.Key, Samples: slices.Clone(b.Samples), Histograms: slices.Clone(b.Histograms),
		Exemplars: slices.Clone(b.Exemplars), Starts: slices.Clone(b.Starts),
	})
	return nil
}

func (l *ledger) Flush(context.Context) error {
	l.mu.Lock()
	l.flushes++
	f := l.onFlush
	l.mu.Unlock()
	if f != nil {
		return f()
	}
	return nil
}

func (l *ledger) Release(handles []telemetry.Handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range handles {
		i, ours := l.id.Index(h)
		if !ours {
			l.t.Errorf("release of handle %x of another sink", h)
			continue
		}
		if l.holds[i-1]--; l.holds[i-1] < 0 {
			l.t.Errorf("%s released more often than resolved", l.lsets[i-1])
		}
	}
}

// held returns the number of holds.
func (l *ledger) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, h := range l.holds {
		n += h
	}
	return n
}

// indexOf returns the place of the first series of that name.
func (l *ledger) indexOf(name string) int {
	return slices.IndexFunc(l.lsets, func(lset telemetry.Labels) bool { return lset.Get("__name__") == name })
}

// A line is one sample as the ledger has it.
type line struct {
	Labels   string
	T, Start int64
	V        float64
}

// lines returns the samples in the order of their series, then of arrival.
func (l *ledger) lines() []line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []line
	for _, b := range l.batches {
		for i, s := range b.Samples {
			at, _ := l.id.Index(s.Handle)
			next := line{Labels: l.lsets[at-1].String(), T: s.T, V: s.V}
			for _, start := range b.Starts {
				if start.Index == i {
					next.Start = start.T
				}
			}
			out = append(out, next)
		}
	}
	slices.SortStableFunc(out, func(a, b line) int { return compare(a.Labels, b.Labels) })
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
