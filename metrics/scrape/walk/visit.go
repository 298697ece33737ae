package walk

import (
	"errors"
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// A Visit is one scrape of one target: a page, or the reason why there is none,
// and what it is to become.
type Visit struct {
	Rules      *Rules
	Generation uint64 // of Rules; another one: series may have other labels than before
	Target     *Target
	Memory     *Memory // changed once the sink has taken the batch
	Sink       telemetry.Sink
	Hold       *Hold // keeps the batch back; nil: nothing does

	Start time.Time // when the scrape began
	Time  time.Time // that its samples carry
	Page  fetch.Page
	Err   error // why there is no page

	// Check is asked before the batch is appended. An error throws it away, and
	// the target's series neither end nor go on.
	Check func() error

	Live *live.Feed // told of the samples; may be nil
}

// A Result is what became of a Visit.
type Result struct {
	Err   error         // why the target is down
	Lost  error         // why the sink did not take all of it
	Bytes int           // of the body, inflated; -1: beyond the limit
	Took  time.Duration // since Start
	Kept  bool          // the sink took the batch
	Ended bool          // no series goes on
	Tally

	// Damaged is how many entries of the memory were found to be wrong. What
	// was appended is right: they were made anew.
	Damaged int

	Forwarded int           // samples and histograms that were appended
	Latency   time.Duration // of Sink.Append; 0: the batch was kept back, or there was none
}

// A Tally counts what a scrape did.
type Tally struct {
	Total       int // samples in the body
	Added       int // those that the sink does not drop
	Appended    int // those that count towards the sample limit
	SeriesAdded int // those whose series the memory did not know

	// Samples that were refused while the scrape went on.
	Duplicates, OutOfOrder, OutOfBounds, ExemplarsOutOfOrder int

	// The limit that the scrape failed by.
	LabelLimit, SampleLimit, BucketLimit bool
}

var (
	errSampleLimit = errors.New("sample limit exceeded")
	errBucketLimit = errors.New("histogram bucket limit exceeded")
	errChanges     = errors.New("the receivers' rules kept changing")
)

// maxChanges is how often a scrape is made again because the sink's rules
// changed before it was appended.
const maxChanges = 5

// Take turns a page, or the reason why there is none, into one batch, with the
// report series, and appends it. When the rules change meanwhile it starts over.
func (w *Walk) Take(v *Visit) Result {
	w.visit, w.rules, w.target, w.memory, w.sink = v, v.Rules, v.Target, v.Memory, v.Sink
	w.now = v.Time.UnixMilli()
	defer w.release()
	r := Result{Err: v.Err}
	body := v.Page.Body
	switch {
	case r.Err != nil:
	case v.Page.Encoding == fetch.Gzip:
		body, r.Err = w.inflate(v.Start.Add(w.target.Timeout), body)
	case v.Page.Encoding == fetch.Zstd:
		r.Err = errZstd
	}
	switch {
	case r.Err == nil:
		r.Bytes = len(body)
	case errors.Is(r.Err, fetch.ErrBodyLimit):
		r.Bytes = -1
	}
	reason := r.Err
	for range maxChanges {
		r.Err = reason
		if again := w.try(body, &r); !again {
			return r
		}
	}
	r.Lost = errChanges
	return r
}

// try walks the body once and appends the batch. It returns true if the sink's
// rules changed meanwhile.
func (w *Walk) try(body []byte, r *Result) (again bool) {
	v := w.visit
	w.begin(time.Now().UnixMilli())
	if r.Err == nil {
		r.Err = w.read(body, v.Page.ContentType)
	}
	// An empty body ends every series too, but is no failure.
	r.Ended = r.Err != nil || len(body) == 0
	if r.Ended {
		w.fail()
	}
	r.Took, r.Tally, r.Damaged = time.Since(v.Start), w.Tally, w.damaged
	w.report(r.Err == nil, r.Took, r.Bytes)
	if err := v.Check(); err != nil {
		w.restart()
		r.Err = err
		return false
	}
	err := w.append(r)
	if err != nil {
		w.restart()
		if errors.Is(err, telemetry.ErrEpoch) {
			return true
		}
		r.Lost = err
		return false
	}
	w.commit(r.Ended)
	r.Kept, r.Lost = true, w.lost
	w.show(body, v.Page.ContentType, r)
	return false
}

// append gives the batch to the sink. The sink commits by itself, together with
// what other scrapes of the moment append: asking it for that after each scrape
// would cost more than the scrape.
func (w *Walk) append(r *Result) error {
	w.batch.Epoch, w.batch.Key, w.batch.Scope = w.epoch, w.target.Key, w.target.Scope
	var err error
	if hold := w.visit.Hold; hold != nil {
		hold.park(w.sink, &w.batch)
	} else {
		start := time.Now()
		err = w.sink.Append(&w.batch)
		r.Latency = time.Since(start)
	}
	if err == nil {
		r.Forwarded = len(w.batch.Samples) + len(w.batch.Histograms)
	}
	return err
}

// giveUp releases handles, after what is kept back.
func (w *Walk) giveUp(handles []telemetry.Handle) {
	if hold := w.visit.Hold; hold != nil {
		hold.release(w.sink, handles)
	} else {
		w.sink.Release(handles)
	}
}

// appendAlways appends a batch of handles that are held, whatever the sink's
// rules have become.
func appendAlways(sink telemetry.Sink, b *telemetry.Batch) (err error) {
	for range maxChanges {
		b.Epoch = sink.Epoch()
		if err = sink.Append(b); !errors.Is(err, telemetry.ErrEpoch) {
			break
		}
	}
	return err
}

// release forgets the target and gives back what it alone needed.
func (w *Walk) release() {
	w.shrink()
	w.visit, w.rules, w.target, w.memory, w.sink, w.old = nil, nil, nil, nil, nil, nil
	w.family, w.outline, w.lost = family{}, outline{}, nil
	w.batch.Reset()
}

// An Ending says which series of a target are to be marked, and when.
type Ending struct {
	Target  *Target
	At      int64                     // timestamp of the markers, Unix ms
	Reports bool                      // the report series, too
	GoesOn  map[telemetry.Handle]bool // but not these
}

// End marks the series in m as ended and forgets them. It returns how many
// markers the sink has taken, or why it took none.
func (w *Walk) End(m *Memory, e Ending) (n int, err error) {
	if m.sink == nil {
		return 0, nil
	}
	defer w.release()
	defer m.Forget()
	w.memory = m
	w.batch.Reset()
	w.staleAll(e)
	w.batch.Key, w.batch.Scope = e.Target.Key, e.Target.Scope
	if err := appendAlways(m.sink, &w.batch); err != nil {
		return 0, fmt.Errorf("append the markers: %w", err)
	}
	return len(w.batch.Samples), nil
}
