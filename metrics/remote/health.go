package remote

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// unhealthyAfter is how long a receiver may fail before the component says so.
const unhealthyAfter = time.Minute

// failing is the streak of failures that an endpoint is in.
type failing struct {
	mu     sync.Mutex
	streak int
	since  time.Time // of the first failure in the streak
	last   string    // why the last request failed
	told   time.Time // when a streak was last logged
	loud   bool      // this streak was logged
	noDisk string    // why the log does not take samples; empty: it does
}

// quiet is the shortest time between two log lines about the same trouble.
const quiet = 10 * time.Second

// add notes a failed request. It returns the length of the streak, how long it
// lasts, and whether to log it: a receiver that fails now and then is told of
// once in a while.
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

// clear ends the streak. It reports whether there was one that was logged.
func (f *failing) clear() (told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	told = f.streak > 0 && f.loud
	f.streak = 0
	return told
}

// restart counts the streak anew, for draining.
func (f *failing) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streak = 0
}

// times returns the length of the streak; 0: the receiver takes samples.
func (f *failing) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streak
}

// disk notes whether the log takes samples, and logs when that changes.
func (f *failing) disk(e *endpoint, err error) {
	f.mu.Lock()
	was := f.noDisk
	f.noDisk = ""
	if err != nil {
		f.noDisk = err.Error()
	}
	f.mu.Unlock()
	switch {
	case err != nil && was == "":
		e.log.Error("the log does not take samples; they are kept in memory as far as it goes", "err", err)
	case err == nil && was != "":
		e.log.Info("the log takes samples again")
	}
}

// reason says in a few words why a request failed.
func (r reply) reason() string {
	if r.err != nil {
		return status.HidePasswords(r.err.Error())
	}
	said := strings.TrimSpace(fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)))
	if r.text == "" {
		return said
	}
	return said + ": " + r.text
}

// refusal is the label of the metrics for what a receiver refuses.
func refusal(r reply) string { return "http_" + strconv.Itoa(r.status) }

// tally limits the log lines about refused series.
type tally struct {
	mu   sync.Mutex
	last time.Time
}

// mayLog reports whether it is time for another line, and takes it.
func (t *tally) mayLog(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last) < quiet {
		return false
	}
	t.last = now
	return true
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
		return fmt.Sprintf("endpoint %s: the receiver fails since %s: %s", e.key, since.Format(time.RFC3339), last)
	}
	return ""
}

// Health returns the reason why the Writer does not do its work, or nil.
func (w *Writer) Health() error {
	for _, e := range w.state.Load().endpoints {
		if why := e.unhealthy(time.Now()); why != "" {
			return fmt.Errorf("%s", why)
		}
	}
	return nil
}
