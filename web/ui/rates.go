package ui

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/telemetry/live"
)

const (
	readingEvery  = time.Second      // readings are not closer
	defaultWindow = 5 * time.Second  // over which rates are taken
	longestWindow = 60 * time.Second // readings are kept so long
)

// A reading is how many samples each component had passed on at a time, by ID.
type reading struct {
	at     time.Time
	passed map[string]int64
}

// A meter turns what components have counted into rates. It reads when somebody
// looks at the graph, and never else. Any number of goroutines may use it.
type meter struct {
	mu       sync.Mutex
	readings []reading // the oldest first
}

// rates takes note of a reading, and returns samples a second by component, over
// about the window. It returns nil if there is no other reading to compare with.
func (m *meter) rates(now reading, window time.Duration) map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readings = slices.DeleteFunc(m.readings, func(r reading) bool { return now.at.Sub(r.at) > longestWindow+defaultWindow })
	var before *reading
	for i, r := range m.readings {
		if age := now.at.Sub(r.at); before == nil && age >= readingEvery/2 || age >= window {
			before = &m.readings[i]
		}
	}
	var out map[string]float64
	if before != nil {
		out = ratesBetween(*before, now)
	}
	if n := len(m.readings); n == 0 || now.at.Sub(m.readings[n-1].at) >= readingEvery {
		m.readings = append(m.readings, now)
	}
	return out
}

// ratesBetween returns samples a second from one reading to another.
func ratesBetween(from, to reading) map[string]float64 {
	out := make(map[string]float64, len(to.passed))
	for id, n := range to.passed {
		passed := n - from.passed[id]
		if passed < 0 { // it is another instance, which began to count anew
			passed = n
		}
		out[id] = float64(passed) / to.at.Sub(from.at).Seconds()
	}
	return out
}

// read returns what components have passed on until now.
func read(now time.Time, all []pipeline.ComponentState) reading {
	r := reading{now, map[string]int64{}}
	for _, c := range all {
		if n, counted := passedOn(c, all); counted {
			r.passed[c.ID] = n
		}
	}
	return r
}

// passedOn returns how many samples or profiles c has passed on, or false if
// nobody counts them. What a module passes on is what those components in it do that send to
// one of its arguments.
func passedOn(c pipeline.ComponentState, all []pipeline.ComponentState) (n int64, counted bool) {
	if c.Data != "" {
		return c.Passed, c.Data != live.Targets
	}
	for _, inner := range all {
		if inner.Data != "" && inner.Data != live.Targets && slices.Contains(c.ModuleIDs, inner.ModuleID) && sendsOut(inner) {
			n, counted = n+inner.Passed, true
		}
	}
	return n, counted
}

// sendsOut reports whether a component of a module sends to one of its arguments.
func sendsOut(c pipeline.ComponentState) bool {
	return len(c.DataFlowTo) == 0 && slices.ContainsFunc(c.ReferencesTo, func(local string) bool {
		return strings.HasPrefix(local, "argument.")
	})
}
