package telemetry

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Fanout returns a sink that passes everything on to each of sinks. With one
// sink that is the sink itself, so that the common case costs nothing.
// With none, every series is dropped.
func Fanout(sinks []Sink) Sink {
	if len(sinks) == 1 {
		return sinks[0]
	}
	return &fanout{
		id:     NewSinkID(),
		epoch:  NextEpoch(),
		sinks:  slices.Clone(sinks),
		byKey:  map[string]int{},
		series: [][]Handle{nil},
		holds:  []int{0},
	}
}

// A fanout's handle is an index into a list of lists of handles, one for each
// next sink.
type fanout struct {
	id    SinkID
	epoch Epoch
	sinks []Sink

	mu     sync.RWMutex
	byKey  map[string]int // encoded list of handles -> index into series
	series [][]Handle     // index 0 is never used
	holds  []int          // per entry of series
	free   []int          // indexes into series that nobody holds
}

// Epoch is the newest of the sinks' epochs: any change there makes it another.
func (f *fanout) Epoch() Epoch {
	newest := f.epoch
	for _, s := range f.sinks {
		newest = max(newest, s.Epoch())
	}
	return newest
}

func (f *fanout) Resolve(lset Labels, md *Metadata) Handle {
	list := make([]Handle, len(f.sinks))
	taken := false
	for i, s := range f.sinks {
		list[i] = s.Resolve(lset, md)
		taken = taken || list[i] != Dropped
	}
	if !taken {
		return Dropped
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := keyOf(list)
	i, known := f.byKey[key]
	if !known {
		i = f.addLocked(list)
		f.byKey[key] = i
	}
	f.holds[i]++
	return f.id.Handle(i)
}

// addLocked returns the index of a new entry of series. It needs mu.
func (f *fanout) addLocked(list []Handle) int {
	if n := len(f.free); n > 0 {
		i := f.free[n-1]
		f.free = f.free[:n-1]
		f.series[i] = list
		return i
	}
	f.series = append(f.series, list)
	f.holds = append(f.holds, 0)
	return len(f.series) - 1
}

// CommitSoon passes the word on.
func (f *fanout) CommitSoon() {
	for _, s := range f.sinks {
		CommitSoon(s)
	}
}

func (f *fanout) Release(handles []Handle) {
	per := make([][]Handle, len(f.sinks))
	f.mu.Lock()
	for _, h := range handles {
		i, ours := f.id.Index(h)
		if !ours || i >= len(f.series) || f.holds[i] == 0 {
			continue
		}
		for k, next := range f.series[i] {
			per[k] = append(per[k], next)
		}
		if f.holds[i]--; f.holds[i] == 0 {
			delete(f.byKey, keyOf(f.series[i]))
			f.series[i] = nil
			f.free = append(f.free, i)
		}
	}
	f.mu.Unlock()
	for k, s := range f.sinks {
		s.Release(per[k])
	}
}

// Append gives each sink its own handles. A sink that refuses does not keep
// the others from taking the batch, except that with an epoch that is out of
// date nothing is appended anywhere. A sink that changes after that has been
// compared still takes its part, under the rules of before: the others have
// theirs already, and the caller must not append once more.
func (f *fanout) Append(b *Batch) error {
	newest := f.epoch
	epochs := make([]Epoch, len(f.sinks))
	for k, s := range f.sinks {
		epochs[k] = s.Epoch()
		newest = max(newest, epochs[k])
	}
	if b.Epoch != newest {
		return ErrEpoch
	}
	var errs []error
	for k, s := range f.sinks {
		part := f.translate(b, k)
		part.Epoch = epochs[k]
		err := s.Append(part)
		for errors.Is(err, ErrEpoch) {
			part.Epoch = s.Epoch()
			err = s.Append(part)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// translate returns b with the handles of sink k, without what it drops.
func (f *fanout) translate(b *Batch, k int) *Batch {
	f.mu.RLock()
	defer f.mu.RUnlock()
	next := func(h Handle) Handle {
		i, ours := f.id.Index(h)
		if !ours || i >= len(f.series) || f.series[i] == nil {
			return Dropped
		}
		return f.series[i][k]
	}
	out := &Batch{Key: b.Key, Scope: b.Scope, Samples: make([]Sample, 0, len(b.Samples))}
	starts := b.Starts
	for i, s := range b.Samples {
		var start int64
		if len(starts) > 0 && starts[0].Index == i {
			start, starts = starts[0].T, starts[1:]
		}
		if s.Handle = next(s.Handle); s.Handle == Dropped {
			continue
		}
		if start != 0 {
			out.Starts = append(out.Starts, Start{Index: len(out.Samples), T: start})
		}
		out.Samples = append(out.Samples, s)
	}
	for _, h := range b.Histograms {
		if h.Handle = next(h.Handle); h.Handle != Dropped {
			out.Histograms = append(out.Histograms, h)
		}
	}
	for _, e := range b.Exemplars {
		if e.Handle = next(e.Handle); e.Handle != Dropped {
			out.Exemplars = append(out.Exemplars, e)
		}
	}
	return out
}

func (f *fanout) Flush(ctx context.Context) error {
	var errs []error
	for _, s := range f.sinks {
		errs = append(errs, s.Flush(ctx))
	}
	return errors.Join(errs...)
}

// Delivered waits for all sinks at the same time.
func (f *fanout) Delivered(ctx context.Context) error {
	errs := make([]error, len(f.sinks))
	var wg sync.WaitGroup
	for i, s := range f.sinks {
		wg.Go(func() { errs[i] = Delivered(ctx, s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// keyOf encodes a list of handles as a map key.
func keyOf(list []Handle) string {
	b := make([]byte, 0, 8*len(list))
	for _, h := range list {
		for shift := 0; shift < 64; shift += 8 {
			b = append(b, byte(h>>shift))
		}
	}
	return string(b)
}
