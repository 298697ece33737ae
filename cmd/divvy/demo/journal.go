package demo

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// An event is something that happened to a node.
type event struct {
	at   time.Duration // since the start
	node string        // empty: to the receiver, or to nobody
	text string
}

// A journal keeps what happened. Any number of goroutines may use it.
type journal struct {
	started time.Time

	mu     sync.Mutex
	events []event
	deaths map[string]time.Time // when a node was last found dead
}

// note adds an event.
func (j *journal) note(node, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event{time.Since(j.started), node, text})
}

// found notes that by has found node dead so long after its last sign of life,
// unless another one has just said so: everybody finds out, and it is the same
// death.
func (j *journal) found(node, by, after string) {
	const same = 10 * time.Second
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Since(j.deaths[node]) < same {
		return
	}
	if j.deaths == nil {
		j.deaths = map[string]time.Time{}
	}
	j.deaths[node] = time.Now()
	text := "found dead by " + by + " after " + after + "; others serve its targets"
	j.events = append(j.events, event{time.Since(j.started), node, text})
}

// all returns the events, oldest first.
func (j *journal) all() []event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// A logTail reads the log of one node while it is written, and keeps it.
type logTail struct {
	node    string
	journal *journal
	file    io.WriteCloser
	rest    []byte // a line that has not ended

	mu    sync.Mutex
	stage string // of the node; empty: it has not said yet
	last  []string
}

// Stages of a node that are told in the journal, in the words of its log.
var told = map[string]string{
	"joining":   "has told the others when it begins; they serve until then",
	"serving":   "serves its share",
	"leaving":   "has told the others when they take over; serves until then",
	"left":      "serves no more, and delivers what it has",
	"fenced":    "was stopped or starved, and serves nothing until it has joined again",
	"displaced": "serves nothing: another node has its name",
}

// Write takes part of the log. It never fails: a node goes on without a log.
func (l *logTail) Write(text []byte) (int, error) {
	_, _ = l.file.Write(text)
	l.rest = append(l.rest, text...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(text), nil
		}
		l.read(l.rest[:end])
		l.rest = l.rest[end+1:]
	}
}

// read takes one line.
func (l *logTail) read(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const kept = 5
	l.last = append(l.last[max(0, len(l.last)-kept+1):], string(text))
	var line struct{ Msg, Stage, Node, After string }
	if json.Unmarshal(text, &line) != nil {
		return
	}
	switch line.Msg {
	case "cluster stage":
		l.stage = line.Stage
		if text, ok := told[line.Stage]; ok {
			l.journal.note(l.node, text)
		}
	case "node found dead; others serve its share":
		after := line.After
		if d, err := time.ParseDuration(after); err == nil {
			after = d.Round(10 * time.Millisecond).String()
		}
		l.journal.found(line.Node, l.node, after)
	}
}

// now returns the stage of the node.
func (l *logTail) now() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stage
}

// end returns the last lines.
func (l *logTail) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "\n")
}
