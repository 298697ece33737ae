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

// failing is the streak of failures that an endpoint is in.
type failing struct {
	mu     sync.Mutex
	streak int
	since  time.Time     // of the first failure in the streak
	last   string        // why the last request failed
	told   time.Time     // when a streak was last logged
	loud   bool          // this streak was logged
	noDisk string        // why the log is not open; empty: it is
	well   chan struct{} // closed, and replaced, when a streak ends
}

// add notes a failed request. It returns the length of the streak, how long it
// lasts, and whether to log it.
func (f *failing) add(r reply) (streak int, lasting time.Duration, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.streak++; f.streak == 1 {
		f.since, f.loud = now, false
	}
	f.last = r.reason()
	if !f.loud && now.Sub(f.told) >= quiet {
		f.loud, f.told, tell = true, now, true
	}
	return f.streak, now.Sub(f.since), tell
}

// clear ends the streak and wakes those who wait for that. It reports whether
// there was one that was logged.
func (f *failing) clear() (told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streak == 0 {
		return false
	}
	f.streak = 0
	close(f.well)
	f.well = make(chan struct{})
	return f.loud
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
	f.noDisk = why
}

// unhealthy says what is wrong with the endpoint; empty if nothing is.
func (e *endpoint) unhealthy(now time.Time) string {
	e.failing.mu.Lock()
	noDisk, streak, since, last := e.failing.noDisk, e.failing.streak, e.failing.since, e.failing.last
	e.failing.mu.Unlock()
	if noDisk != "" {
		return fmt.Sprintf("endpoint %s: %s", e.key, noDisk)
	}
	if s := e.stats(); s.Degraded != nil {
		return fmt.Sprintf("endpoint %s: the disk does not do its part: %v", e.key, s.Degraded)
	}
	if streak > 0 && now.Sub(since) > unhealthyAfter {
		return fmt.Sprintf("endpoint %s: the server fails since %s: %s", e.key, since.Format(time.RFC3339), last)
	}
	return ""
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
