package scrape

import (
	"context"
	"errors"
	"time"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

var errOverdue = errors.New("scrape ended too late to count: this process was stopped meanwhile")

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

	caughtUp bool       // the slot became ours after it had passed
	from     string     // node that scraped the target before us, and lives; empty: none
	hold     *walk.Hold // keeps what is appended back; nil: nothing does
	back     bool       // others have scraped the target since we last did
}

// timestamp returns the time of the samples of a scrape that begins at start.
func (j *job) timestamp(start time.Time) time.Time {
	late := j.late + start.Sub(j.made)
	if late <= min(maxTolerance, j.id.Interval/100) {
		return j.slot
	}
	return j.slot.Add(late)
}

// grace is how long after its timeout a scrape may end and still be appended.
const grace = time.Second

// check returns an error if a scrape ends so long after it began that the
// process must have been stopped meanwhile. Then another node may have served
// the slot, and what came of this scrape says nothing about the target.
func (j *job) check() error {
	wall := time.Now().Round(0).Sub(j.made.Round(0)) // goes on while a machine sleeps
	shared := len(j.set.cfg.View.Load().Members()) > 1
	if shared && max(wall, time.Since(j.made)) > j.id.Timeout+grace {
		return errOverdue
	}
	return nil
}

// scrape scrapes the target and appends what it got in one batch. Waiting for
// the target takes a goroutine and a buffer.
func (p *Pool) scrape(j *job) walk.Result {
	var pg fetch.Page
	if j.err == nil {
		ctx, cancel := context.WithDeadline(context.Background(), j.start.Add(j.id.Timeout))
		defer cancel()
		pg, j.err = j.set.fetch(ctx, j.id, j.size)
	}
	return p.work(j, pg)
}

// work turns a page, or the reason why there is none, into a batch. It takes a
// walk, of which there are as many as processors. So memory is bounded by what
// is being worked on, not by how many targets answer at once.
func (p *Pool) work(j *job, pg fetch.Page) walk.Result {
	t := j.t
	t.mu.Lock()
	defer t.mu.Unlock()
	defer j.set.depot.Discard(pg)
	if j.err == nil {
		j.size, j.contentType = len(pg.Body), pg.ContentType
	}
	w := <-p.walks // bounds the work at one time to the processors there are
	defer func() { p.walks <- w }()
	t.memory.Resume(j.back, j.from != "")
	r := w.Take(&walk.Visit{
		Rules: &j.set.cfg.Rules, Generation: j.set.generation, Target: &j.id.Target, Memory: &t.memory,
		Sink: j.sink, Hold: j.hold, Start: j.start, Time: j.timestamp(j.start), Page: pg, Err: j.err,
		Check: j.check, Live: j.set.cfg.Live,
	})
	j.set.observe(t, j, j.start, r)
	return r
}
