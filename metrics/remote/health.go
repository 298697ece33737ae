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

// failing is the trouble that an endpoint is in.
//
//	          failure            refusal
//	well ──────────────► failing ────────► refused ──► …
//	  ▲                     ◄──────────────   │
//	  └───── the receiver takes something ────┘
type failing struct {
	mu       sync.Mutex
	streak   int       // failures since the receiver last answered
	since    time.Time // of the first failure in the streak
	trouble  time.Time // since when nothing was taken; zero: the last request was
	refused  bool      // the last answer refused samples for good
	last     string    // why the last request failed or was refused
	told     time.Time // when a streak was last logged
	loud     bool      // this streak was logged
	noDisk   string    // why the log does not take samples; empty: it does
	diskGone time.Time // since when
	degraded bool      // the log's disk did not do its part when last looked
	well     time.Time // since when nothing is wrong, if nothing is
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
	f.inTroubleLocked(r, now)
	f.refused = false
	if !f.loud && now.Sub(f.told) >= quiet {
		f.loud, f.told, tell = true, now, true
	}
	return f.streak, now.Sub(f.since), tell
}

// refuse notes that the receiver answers and has refused samples for good. That
// ends the streak: nothing is sent again.
func (f *failing) refuse(r reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inTroubleLocked(r, time.Now())
	f.streak, f.refused = 0, true
}

func (f *failing) inTroubleLocked(r reply, now time.Time) {
	if f.trouble.IsZero() {
		f.trouble = now
	}
	f.last = r.reason()
}

// clear ends all trouble with the receiver. It reports whether that was logged.
func (f *failing) clear() (told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	told = f.loud && !f.trouble.IsZero()
	if now := time.Now(); f.lastingLocked(now) {
		f.well = now
	}
	f.streak, f.refused, f.loud, f.trouble = 0, false, false, time.Time{}
	return told
}

// lastingLocked reports whether nothing was taken for so long that the
// component says so.
func (f *failing) lastingLocked(now time.Time) bool {
	return !f.trouble.IsZero() && now.Sub(f.trouble) > unhealthyAfter
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
	was, now := f.noDisk, time.Now()
	f.noDisk = ""
	if err != nil {
		f.noDisk = err.Error()
	}
	switch {
	case err != nil && was == "":
		f.diskGone = now
	case err == nil && was != "":
		f.well = now
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

// health says what is wrong with the endpoint and since when; empty if nothing
// is, and since when.
func (e *endpoint) health(now time.Time) (why string, since time.Time) {
	log := e.stats()
	f := &e.failing
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.degraded && log.Degraded == nil {
		f.well = now
	}
	f.degraded = log.Degraded != nil
	switch {
	case f.noDisk != "":
		return f.noDisk, f.diskGone
	case log.Degraded != nil:
		return fmt.Sprintf("the disk does not do its part: %v", log.Degraded), log.DegradedSince
	case !f.lastingLocked(now):
		return "", f.well
	case f.refused:
		return fmt.Sprintf("the receiver refuses what it is sent, since %s; that is dropped: %s", f.trouble.Format(time.RFC3339), f.last), f.trouble
	default:
		return fmt.Sprintf("the receiver fails since %s: %s", f.trouble.Format(time.RFC3339), f.last), f.trouble
	}
}

// Health returns the reason why the Writer does not do its work, or nil, and
// since when that is so; zero if it has no endpoints.
func (w *Writer) Health() (since time.Time, err error) {
	now := time.Now()
	for _, e := range w.state.Load().endpoints {
		why, at := e.health(now)
		if why != "" {
			return at, fmt.Errorf("endpoint %s: %s", e.key, why)
		}
		if at.After(since) {
			since = at
		}
	}
	return since, nil
}
