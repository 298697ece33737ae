package push

import (
	"fmt"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/queue"
)

// unhealthyAfter is how long a server may fail before the component says so.
const unhealthyAfter = time.Minute

// quiet is the shortest time between two log lines about the same trouble.
const quiet = 10 * time.Second

// failing is the trouble that an endpoint is in. A server fails, and is asked
// again, or it refuses, and what it was sent is dropped; when it takes something
// the trouble is over.
type failing struct {
	mu       sync.Mutex
	streak   int           // failures since the server last answered otherwise
	since    time.Time     // of the first of them
	trouble  time.Time     // since when nothing was taken; zero: the last request was
	refused  bool          // the last answer was a refusal
	last     string        // why the last request failed or was refused
	told     time.Time     // when trouble was last logged
	loud     bool          // this trouble was logged
	noDisk   string        // why the log is not open; empty: it is
	diskGone time.Time     // since when
	well     chan struct{} // closed, and replaced, when a streak ends
	healthy  time.Time     // since when nothing is wrong, if nothing is
}

// add notes a failed request. It returns the length of the streak, how long it
// lasts, and whether to log it.
func (f *failing) add(r reply) (streak int, lasting time.Duration, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.streak++; f.streak == 1 {
		f.since = now
	}
	f.troubleLocked(r, now)
	f.refused = false
	if !f.loud && now.Sub(f.told) >= quiet {
		f.loud, f.told, tell = true, now, true
	}
	return f.streak, now.Sub(f.since), tell
}

// refuse notes that the server answers, and refuses a profile for good.
func (f *failing) refuse(r reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.troubleLocked(r, time.Now())
	f.refused = true
	f.endLocked()
}

func (f *failing) troubleLocked(r reply, now time.Time) {
	if f.trouble.IsZero() {
		f.trouble = now
	}
	f.last = r.reason()
}

// endLocked ends the streak and wakes those who wait for that.
func (f *failing) endLocked() {
	if f.streak > 0 {
		f.streak = 0
		close(f.well)
		f.well = make(chan struct{})
	}
}

// clear ends all trouble. It reports whether that was logged.
func (f *failing) clear() (told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble.IsZero() {
		return false
	}
	now := time.Now()
	if f.lastingLocked(now) {
		f.healthy = now
	}
	told = f.loud
	f.endLocked()
	f.trouble, f.refused, f.loud = time.Time{}, false, false
	return told
}

// lastingLocked reports whether nothing was taken for so long that the
// component says so.
func (f *failing) lastingLocked(now time.Time) bool {
	return !f.trouble.IsZero() && now.Sub(f.trouble) > unhealthyAfter
}

// wellAgain returns what is closed when the streak ends.
func (f *failing) wellAgain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.well
}

// restart counts the streak anew, for draining.
func (f *failing) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streak = 0
}

// disk notes why the log cannot be opened; empty: it is open.
func (f *failing) disk(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch now := time.Now(); {
	case why == "":
		f.healthy = now
	case f.noDisk == "":
		f.diskGone = now
	}
	f.noDisk = why
}

// health says what is wrong with the endpoint and since when; empty if nothing
// is, and since when.
func (e *endpoint) health(now time.Time) (why string, since time.Time) {
	log := e.stats()
	f := &e.failing
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.noDisk != "":
		return f.noDisk, f.diskGone
	case log.Degraded != nil:
		return fmt.Sprintf("the disk does not do its part: %v", log.Degraded), log.DegradedSince
	case !f.lastingLocked(now):
		return "", f.healthy
	case f.refused:
		return fmt.Sprintf("the server refuses what it is sent, since %s; that is dropped: %s", f.trouble.Format(time.RFC3339), f.last), f.trouble
	}
	return fmt.Sprintf("the server fails since %s: %s", f.trouble.Format(time.RFC3339), f.last), f.trouble
}

// A tally counts what became of the profiles of an endpoint. Bytes are those of
// the requests.
type tally struct {
	mu      sync.Mutex
	sent    lot
	dropped map[string]lot // by reason
	retried int64          // requests that failed and were to be made again
	logged  time.Time      // when the last refusal was
}

// A lot is a number of profiles with their size.
type lot struct{ profiles, bytes int64 }

func (l lot) plus(n, bytes int64) lot { return lot{l.profiles + n, l.bytes + bytes} }

func (t *tally) send(entry queue.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = t.sent.plus(int64(entry.Items), int64(len(entry.Payload)))
}

func (t *tally) drop(reason string, entry queue.Entry) {
	t.lose(reason, int64(entry.Items), int64(len(entry.Payload)))
}

func (t *tally) lose(reason string, n, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped == nil {
		t.dropped = map[string]lot{}
	}
	t.dropped[reason] = t.dropped[reason].plus(n, bytes)
}

func (t *tally) retry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retried++
}

// mayLog reports whether it is time for another line, and takes it.
func (t *tally) mayLog(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.logged) < quiet {
		return false
	}
	t.logged = now
	return true
}
