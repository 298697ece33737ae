package push

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/divvy-collector/divvy/queue"
)

// longestProbe is the longest time between two attempts to reach a server that
// does not answer. Afterwards its backlog is delivered at once.
const longestProbe = 30 * time.Second

// deliver sends a record until the server has taken it, or it is given up. It
// returns an error only when ctx is done before that, or draining ends.
func (e *endpoint) deliver(ctx context.Context, entry queue.Entry) error {
	if err := readable(entry); err != nil {
		e.log.Error("drop a record of the log", "err", err)
		e.tally.drop("unreadable", entry)
		return nil
	}
	begin := time.Now()
	answered := 0 // with an error that the profile may be the reason for
	for attempt := 0; ; attempt++ {
		set := e.settings.Load()
		start := time.Now()
		r := set.post(ctx, entry.Kind, entry.Payload)
		e.latency.downstream(entry.Kind, time.Since(start))
		if ctx.Err() != nil && r.err != nil {
			return ctx.Err()
		}
		what := classify(r, set.Retry429)
		if what == retry {
			if answered++; set.MaxRetries > 0 && answered > set.MaxRetries {
				what = drop
			}
		}
		switch what {
		case sent:
			e.accept(entry)
		case drop:
			e.reject(entry, r)
		default:
			if err := e.pause(ctx, r, attempt); err != nil {
				return err
			}
			continue
		}
		e.latency.endpoint(entry.Kind, time.Since(begin))
		return nil
	}
}

// readable reports a record that this version cannot send.
func readable(entry queue.Entry) error {
	switch entry.Kind {
	case kindPush:
		return nil
	case kindIngest:
		if _, err := decodeIngest(entry.Payload); err != nil {
			return fmt.Errorf("read a request to %s: %w", pathIngest, err)
		}
		return nil
	}
	return fmt.Errorf("read a record: its kind is %d", entry.Kind)
}

// accept counts what the server has taken, and ends a streak of failures.
func (e *endpoint) accept(entry queue.Entry) {
	e.tally.send(entry)
	if e.failing.clear() {
		e.log.Info("the server takes profiles again")
	}
}

// reject counts a profile that is given up.
func (e *endpoint) reject(entry queue.Entry, r reply) {
	e.tally.drop("http_"+strconv.Itoa(r.status), entry)
	e.failing.refuse(r)
	if e.tally.mayLog(time.Now()) {
		e.log.Warn("the server refuses a profile; it is dropped", "status", r.status, "answer", r.text)
	}
}

// errGivenUp says that draining has stopped early.
var errGivenUp = errors.New("the server keeps failing while the rest is delivered")

// A server that has failed this often in a row and for so long is given up
// while draining: it may be the one that is restarted together with us.
const (
	maxDrainFailures = 3
	drainPatience    = 3 * time.Second
)

// pause waits before the next attempt. It ends early when another lane finds
// the server well, and when draining begins, unless the server has asked for
// the wait.
func (e *endpoint) pause(ctx context.Context, r reply, attempt int) error {
	e.tally.retry()
	streak, lasting, tell := e.failing.add(r)
	if tell {
		e.log.Warn("the server fails; profiles are kept and sent again", "reason", r.reason())
	}
	ending, well := e.ending, e.failing.wellAgain()
	select {
	case <-ending:
		if streak >= maxDrainFailures && lasting >= drainPatience {
			signal(e.quit)
			return errGivenUp
		}
		ending, attempt = nil, min(attempt, streak-1)
	default:
	}
	if r.err == nil {
		well = nil // the answer may be about this profile
	}
	if r.retryAfter > 0 {
		ending = nil
	}
	timer := time.NewTimer(backoff(e.settings.Load().Endpoint, attempt, r))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-well:
	case <-ending:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// backoff returns how long to wait after a failed attempt: what the server asked
// for, else twice as long each time.
func backoff(e Endpoint, attempt int, r reply) time.Duration {
	if r.retryAfter > 0 {
		return r.retryAfter
	}
	d := min(e.MaxBackoff, e.MinBackoff<<min(attempt, 20))
	if r.err != nil {
		d = min(d, max(e.MinBackoff, longestProbe))
	}
	return d
}
