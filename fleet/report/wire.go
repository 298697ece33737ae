package report

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report/coverage"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// What one node asks another one, and the answers, are JSON: a node skips
// fields that it does not know, so that versions can be mixed.
//
//	request                         answer
//	{"want":"node"}                 Node
//	{"want":"served"}               served
//	{"want":"list","component":…}   []status.Target
//	{"want":"past","component":…}   past
//	{"want":"events"}               []Event
//	{"want":"brief"}                brief
//	{"want":"book","component":…}   coverage.Book
//	{"want":"marks","component":…}  []coverage.Mark
//	{"want":"history"}              []History
type request struct {
	Want      string    `json:"want"`
	Component string    `json:"component,omitempty"`
	Key       owner.Key `json:"key,string,omitempty"`
	Keys      []byte    `json:"keys,omitempty"` // 8 bytes each, ascending
}

// What can be wanted.
const (
	wantNode   = "node"
	wantServed = "served"
	wantList   = "list"
	wantPast   = "past"
	wantEvents = "events"
	wantBrief  = "brief"
	wantBook   = "book"
	wantMarks  = "marks"

	wantHistory = "history"
)

// served is which targets a node owns or has scraped lately, and which ones it
// knows, in short.
type served struct {
	Digests []Digest `json:"digests"`
	Targets []serve  `json:"targets"`
}

// A serve is one target that a node owns or has scraped lately.
type serve struct {
	Set    int           `json:"s"` // index into Digests
	Key    owner.Key     `json:"k"`
	Owned  bool          `json:"o,omitempty"`
	Health string        `json:"h,omitempty"`
	Slot   int64         `json:"t,omitempty"` // Unix ns, as At
	At     int64         `json:"a,omitempty"`
	Took   time.Duration `json:"d,omitempty"`
	Counts [3]int        `json:"c"` // bytes, samples, kept
	Err    string        `json:"e,omitempty"`
}

// scrape returns what is said of the last scrape.
func (s *serve) scrape() status.Scrape {
	out := status.Scrape{Duration: s.Took, Bytes: s.Counts[0], Samples: s.Counts[1], Kept: s.Counts[2], Err: s.Err}
	if s.At != 0 {
		out.Slot, out.At = time.Unix(0, s.Slot), time.Unix(0, s.At)
	}
	return out
}

// served returns what this node serves.
func (r *Reporter) served() served {
	inv, view, now := r.inventory(), r.cfg.View.Load(), r.cfg.Now()
	out := served{Digests: inv.digests(), Targets: []serve{}}
	for i := range inv.sets {
		for j := range inv.sets[i].targets {
			t := &inv.sets[i].targets[j]
			s := serve{Set: i, Key: t.Key, Owned: owns(t, view, r.cfg.Self, now)}
			if !s.Owned && !scrapedLately(t, now) {
				continue
			}
			s.Health, s.Took, s.Counts, s.Err = t.Health, t.Duration, [3]int{t.Bytes, t.Samples, t.Kept}, t.Err
			if !t.At.IsZero() {
				s.Slot, s.At = t.Slot.UnixNano(), t.At.UnixNano()
			}
			out.Targets = append(out.Targets, s)
		}
	}
	return out
}

// Answer answers what another node asks: see Config.Ask.
func (r *Reporter) Answer(_ context.Context, _ string, body []byte) ([]byte, error) {
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	answer, err := r.answer(req)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// answer returns the answer to req.
func (r *Reporter) answer(req request) (any, error) {
	switch req.Want {
	case wantNode:
		return r.Node(), nil
	case wantServed:
		return r.served(), nil
	case wantList:
		if s := r.inventory().set(req.Component); s != nil {
			return s.targets, nil
		}
		return []status.Target{}, nil
	case wantPast:
		return r.past(req), nil
	case wantEvents:
		return nonNil(r.times.list()), nil
	case wantHistory:
		return r.histories(), nil
	case wantBrief:
		return r.brief(), nil
	case wantBook:
		return r.book(r.latest(req.Component)), nil
	case wantMarks:
		wanted, err := coverage.DecodeKeys(req.Keys)
		if err != nil {
			return nil, err
		}
		return r.marks(r.latest(req.Component), wanted), nil
	}
	return nil, fmt.Errorf("%q is not known to this version", req.Want)
}
