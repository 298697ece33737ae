package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/report/words"
)

const (
	sampleEvery = time.Minute     // to add up all metrics takes milliseconds
	recentSpan  = 5 * time.Minute // what counts as just now

	// maxLag is how far behind an endpoint may be before that is a problem.
	maxLag = time.Minute
)

// totals are the counts of a node at one moment that are to stay as they are.
type totals struct {
	at      time.Time
	missed  int64 // slots
	dropped map[drop]int64
}

// A drop is where and why samples are dropped.
type drop struct{ component, endpoint, reason string }

// recent is the totals of the last minutes. Any number of goroutines may use it.
type recent struct {
	mu   sync.Mutex
	list []totals // oldest first
}

// totalsOf reads the totals of a node.
func totalsOf(n *Node, at time.Time) totals {
	t := totals{at: at, missed: n.Load.SlotsMissed, dropped: map[drop]int64{}}
	for _, q := range n.Queues {
		for reason, count := range q.Dropped {
			t.dropped[drop{q.Component, q.Name, reason}] = count
		}
	}
	return t
}

// sample notes the totals of a node, if the last time is long enough ago.
func (r *recent) sample(now time.Time, describe func() Node) {
	r.mu.Lock()
	due := len(r.list) == 0 || now.Sub(r.list[len(r.list)-1].at) >= sampleEvery
	r.mu.Unlock()
	if !due {
		return
	}
	n := describe()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(append(r.list, totalsOf(&n, now)), func(t totals) bool { return now.Sub(t.at) > recentSpan })
}

// problems says what has gone wrong on a node in the last minutes.
func (r *recent) problems(n *Node, now time.Time) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	before, after := r.list[0], totalsOf(n, now)
	span := now.Sub(before.at).Round(time.Second)
	if d := after.missed - before.missed; d > 0 {
		list = append(list, fmt.Sprintf("%s missed in the last %s", words.Count(int(d), "slot"), span))
	}
	byPlace := slices.SortedFunc(maps.Keys(after.dropped), func(a, b drop) int {
		return cmp.Or(cmp.Compare(a.component, b.component), cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.reason, b.reason))
	})
	for _, where := range byPlace {
		if d := after.dropped[where] - before.dropped[where]; d > 0 {
			list = append(list, fmt.Sprintf("%s dropped by %s in the last %s: %s",
				words.Count(int(d), "sample"), where.component, span, strings.ReplaceAll(where.reason, "_", " ")))
		}
	}
	return list
}

// lags says which endpoints of a node are behind.
func lags(n *Node) (list []string) {
	for _, q := range n.Queues {
		if q.Lag <= maxLag {
			continue
		}
		text := fmt.Sprintf("%s is behind by %s in delivering to %s", q.Component, q.Lag.Round(time.Second), q.URL)
		if q.Err != "" {
			text += ": " + q.Err
		}
		list = append(list, text)
	}
	return list
}
