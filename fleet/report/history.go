package report

import (
	"context"
	"fmt"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// A History is the last hour of one endpoint.
type History struct {
	Component string         `json:"component"`
	Endpoint  string         `json:"endpoint"` // its name
	Points    []status.Point `json:"points"`   // the oldest first
}

// Histories returns the last hour of each endpoint of a node. An error says why
// the node gives no answer.
func (r *Reporter) Histories(ctx context.Context, node string) ([]History, error) {
	if node == r.cfg.Self {
		return r.histories(), nil
	}
	for _, p := range r.others() {
		if p.Name == node {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return askOne[[]History](ctx, r, p, request{Want: wantHistory})
		}
	}
	return nil, fmt.Errorf("no node %q is in the cluster", node)
}

// histories returns the last hour of this node's endpoints.
func (r *Reporter) histories() []History {
	if r.cfg.Histories == nil {
		return []History{}
	}
	return nonNil(r.cfg.Histories())
}
