package scrape

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/telemetry"
)

var (
	errSampleLimit = errors.New("sample limit exceeded")
	errBucketLimit = errors.New("histogram bucket limit exceeded")
	errOverdue     = errors.New("scrape ended too late to count: this process was stopped meanwhile")
)

// maxTolerance is how late a scrape may begin and still carry the time of its
// slot; a hundredth of the interval where that is less. Equal distances
// between samples compress better. A later scrape carries its actual time.
const maxTolerance = 2 * time.Millisecond

// A job is one scrape of one target.
type job struct {
	set   *settings
	sink  telemetry.Sink
	t     *target
	id    *identity
	slot  time.Time
	late  time.Duration // of the clock's call
	made  time.Time     // when the clock called, by the monotonic clock
	start time.Time     // when the scrape began

	size        int    // bytes of the body as it came; first of the one before
	contentType string // the same of its type
	err         error  // why nothing is fetched

	caughtUp bool   // the slot became ours after it had passed
	from     string // node that scraped the target before us, and lives; empty: none
	hold     *hold  // keeps what is appended back; nil: nothing does
	back     bool   // others have scraped the target since we last did
}

// timestamp returns the time of the samples of a scrape that begins at start.
func (j *job) timestamp(start time.Time) time.Time {
	late := j.late + start.Sub(j.made)
	if late <= min(maxTolerance, j.id.interval/100) {
		return j.slot
	}
	return j.slot.Add(late)
}

// grace is how long after its timeout a scrape may end and still be appended.
const grace = time.Second

// overdue reports whether a scrape ends so long after it began that the process
// must have been stopped meanwhile. Then another node may have served the slot,
// and what came of this scrape says nothing about the target.
func (j *job) overdue() bool {
	wall := time.Now().Round(0).Sub(j.made.Round(0)) // goes on while a machine sleeps
	shared := len(j.set.cfg.View.Load().Members()) > 1
	return shared && max(wall, time.Since(j.made)) > j.id.timeout+grace
}

// maxChanges is how often a scrape is made again because the sink's rules
// changed before it was appended.
const maxChanges = 5

// A result is what became of a scrape.
type result struct {
	err   error
	bytes int // of the body, inflated; -1: beyond the limit
	took  time.Duration
	kept  bool // the sink took it
	ended bool // no series goes on
	tally tally
}

// scrape scrapes the target and appends what it got in one batch. Waiting for
// the target takes a goroutine and a buffer.
func (p *Pool) scrape(j *job) result {
	var pg fetch.Page
	if j.err == nil {
		ctx, cancel := context.WithDeadline(context.Background(), j.start.Add(j.id.timeout))
		defer cancel()
		pg, j.err = j.set.fetch(ctx, j.id, j.size)
	}
	return p.work(j, pg)
}

// work turns a page, or the reason why there is none, into a batch. It takes a
// walk, of which there are as many as processors. So memory is bounded by what
// is being worked on, not by how many targets answer at once.
func (p *Pool) work(j *job, pg fetch.Page) result {
	t := j.t
	t.mu.Lock()
	defer t.mu.Unlock()
	defer j.set.depot.Discard(pg)
	if j.err == nil {
		j.size, j.contentType = len(pg.Body), pg.ContentType
	}
	w := <-p.walks // bounds the work at one time to the processors there are
	defer func() { w.release(); p.walks <- w }()
	w.set, w.id, w.memory, w.sink, w.hold = j.set, j.id, &t.memory, j.sink, j.hold
	w.now = j.timestamp(j.start).UnixMilli()
	t.memory.resume(j.back, j.from != "")

	r := w.process(j, pg)
	j.set.observe(t, j, j.start, r)
	return r
}

// process turns a page, or the reason why there is none, into a batch and
// appends it. When the rules change meanwhile it starts over.
func (w *walk) process(j *job, pg fetch.Page) result {
	r := result{err: j.err}
	body := pg.Body
	if r.err == nil && pg.Compressed {
		body, r.err = w.inflate(j.start.Add(j.id.timeout), body)
	}
	switch {
	case r.err == nil:
		r.bytes = len(body)
	case errors.Is(r.err, fetch.ErrBodyLimit):
		r.bytes = -1
	}
	reason := r.err
	for range maxChanges {
		w.begin(time.Now().UnixMilli())
		if r.err = reason; r.err == nil {
			r.err = w.read(body, pg.ContentType)
		}
		// An empty body ends every series too, but is no failure.
		r.ended = r.err != nil || len(body) == 0
		if r.ended {
			w.fail()
		}
		r.took, r.tally = time.Since(j.start), w.tally
		w.report(r.err == nil, r.took, r.bytes)
		if j.overdue() {
			w.restart()
			w.set.metrics.slotsDiscarded.Inc()
			r.err = errOverdue
			return r
		}
		appendErr := w.append()
		if appendErr == nil {
			w.commit(r.ended)
			r.kept = true
			w.show(body, pg.ContentType, r)
			return r
		}
		w.restart()
		if !errors.Is(appendErr, telemetry.ErrEpoch) {
			w.set.log.Error("scrape was lost: the receivers did not take it", "target", w.id.url, "err", appendErr)
			return r
		}
	}
	w.set.log.Error("scrape was lost: the receivers' rules kept changing", "target", w.id.url)
	return r
}

// terminated returns body with a newline at its end.
func terminated(body []byte) []byte {
	if body[len(body)-1] == '\n' {
		return body
	}
	return append(body, '\n')
}

// read walks the body in the way that its format wants, and checks the limits
// on what it found.
func (w *walk) read(body []byte, contentType string) error {
	if len(body) == 0 {
		return nil
	}
	if err := w.readFormat(body, contentType); err != nil {
		return fmt.Errorf("read exposition: %w", err)
	}
	if limit := int(w.set.cfg.Limits.Samples); limit > 0 && w.appended > limit {
		w.set.metrics.sampleLimit.Inc()
		return errSampleLimit
	}
	if w.bucketLimit {
		w.set.metrics.bucketLimit.Inc()
		return errBucketLimit
	}
	w.finish()
	return nil
}

// readFormat walks the body line by line where a sample depends on its own line
// alone, else with Prometheus' parser.
func (w *walk) readFormat(body []byte, contentType string) error {
	cfg := &w.set.cfg
	media := mediaOf(contentType, cfg.Fallback)
	byLine := !w.id.nhcb && !cfg.TypeAndUnitLabels
	switch {
	case media == mediaText && byLine:
		if err := w.text(terminated(body)); !errors.Is(err, errForeign) {
			return err
		}
		w.again()
	case media == mediaOpenMetrics && byLine && !cfg.StartTimestamps:
		if w.same(body) {
			return nil
		}
		w.again()
		w.outline = outline{rest: body}
	}
	return w.parsed(body, contentType)
}

// append gives the batch to the sink. The sink commits by itself, together with
// what other scrapes of the moment append: asking it for that after each scrape
// would cost more than the scrape.
func (w *walk) append() error {
	w.batch.Epoch, w.batch.Key, w.batch.Scope = w.epoch, uint64(w.id.key), w.id.scope
	m := w.set.metrics
	var err error
	if w.hold != nil {
		w.hold.park(w.sink, &w.batch)
	} else {
		start := time.Now()
		err = w.sink.Append(&w.batch)
		m.latency.Observe(time.Since(start).Seconds())
	}
	if err == nil {
		n := len(w.batch.Samples) + len(w.batch.Histograms)
		m.forwarded.Add(float64(n))
		w.set.cfg.Flow.Add(n)
	}
	return err
}

// giveUp releases handles, after what is kept back.
func (w *walk) giveUp(handles []telemetry.Handle) {
	if w.hold != nil {
		w.hold.release(w.sink, handles)
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
func (w *walk) release() {
	w.shrink()
	w.set, w.id, w.memory, w.sink, w.hold, w.old = nil, nil, nil, nil, nil, nil
	w.family, w.outline = family{}, outline{}
	w.batch.Reset()
}
