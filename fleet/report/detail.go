package report

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// An UnknownTarget is the error about a target that no node knows.
type UnknownTarget struct {
	Component string
	Key       owner.Key
}

// Error says so.
func (e *UnknownTarget) Error() string {
	return fmt.Sprintf("no node knows a target of %q with the key %d", e.Component, uint64(e.Key))
}

// past is what one node remembers of one target.
type past struct {
	Known        bool                 `json:"known"`
	Discovered   telemetry.Labels     `json:"discovered"`
	Relabellings []status.Relabelling `json:"relabellings"`
	Scrapes      []status.Scrape      `json:"scrapes"`
}

// Detail returns all about one target, or an *UnknownTarget.
func (r *Reporter) Detail(ctx context.Context, component string, key owner.Key) (Detail, error) {
	t := r.table(ctx)
	var d Detail
	found := false
	for i := range t.rows {
		row := &t.rows[i]
		if row.Component != component || row.Key != key {
			continue
		}
		// Of a component without clustering there is a row for each node.
		if p := t.placement(row); !found || p.Owner == r.cfg.Self {
			d.Placement, found = p, true
		}
	}
	if !found {
		return Detail{}, &UnknownTarget{component, key}
	}
	r.recall(ctx, &d)
	return d, nil
}

// recall adds what the nodes remember that know most of a target: this one, its
// owner, and the one that owned it before.
func (r *Reporter) recall(ctx context.Context, d *Detail) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req := request{Want: wantPast, Component: d.Component, Key: d.Key}
	pasts := []past{r.past(req)}
	nodes := []string{d.Owner}
	if d.Clustered {
		nodes = append(nodes, d.Previous)
	}
	if !pasts[0].Known && len(d.Known) > 0 {
		nodes = append(nodes, d.Known[0])
	}
	slices.Sort(nodes)
	for _, node := range slices.Compact(nodes) {
		if node == "" || node == r.cfg.Self {
			continue
		}
		if p, err := askOne[past](ctx, r, Peer{Name: node}, req); err == nil {
			pasts = append(pasts, p)
		}
	}
	if !d.Clustered && d.Owner != r.cfg.Self {
		pasts = pasts[1:] // what this node did with its own target of that key is another story
	}
	for _, p := range pasts {
		if p.Known && len(d.Relabellings) == 0 {
			d.Discovered, d.Relabellings = p.Discovered, p.Relabellings
		}
		d.Scrapes = append(d.Scrapes, p.Scrapes...)
	}
	slices.SortStableFunc(d.Scrapes, func(a, b status.Scrape) int { return a.At.Compare(b.At) })
	d.Scrapes, d.Relabellings = nonNil(d.Scrapes), nonNil(d.Relabellings)
}

// past returns what this node remembers of a target.
func (r *Reporter) past(req request) past {
	var p past
	if r.cfg.Discovered != nil {
		p.Discovered, p.Known = r.cfg.Discovered(req.Component, req.Key)
	}
	if r.cfg.Scrapes != nil {
		p.Scrapes = nonNil(r.cfg.Scrapes(req.Component, req.Key))
	}
	if p.Known && r.cfg.Explain != nil {
		p.Relabellings = trace(p.Discovered, r.cfg.Explain)
	}
	p.Relabellings = nonNil(p.Relabellings)
	return p
}

// maxRelabellings bounds how many components a target is followed through.
const maxRelabellings = 16

// trace follows a target back through the components that made it what it is,
// from the last one to the first.
func trace(found telemetry.Labels, explain func(func(before, after telemetry.Labels) bool) []status.Relabelling) []status.Relabelling {
	var way []status.Relabelling
	for range maxRelabellings {
		steps := explain(func(_, after telemetry.Labels) bool {
			return labels.Equal(after, found) || labels.Equal(status.HideLabels(after), found)
		})
		if len(steps) == 0 || labels.Equal(steps[0].Before, found) {
			break
		}
		way = append(way, steps[0])
		found = steps[0].Before
	}
	slices.Reverse(way)
	return way
}
