package report

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A Quorum is whether there are as many members as are waited for.
type Quorum struct {
	Needed   int       `json:"needed"`            // members, or nobody serves; 0 or 1: none are waited for
	Serving  int       `json:"serving"`           // members
	Admits   bool      `json:"admits"`            // they may scrape: they are enough, or were waited for long enough
	Since    time.Time `json:"since,omitzero"`    // since when there are too few; zero: there are enough, or never were
	Deadline time.Time `json:"deadline,omitzero"` // when they scrape all the same; zero: never
}

// quorumOf returns the quorum of a view at a time.
func quorumOf(view owner.View, now time.Time) Quorum {
	asked := view.Quorum()
	q := Quorum{Needed: asked.Size, Serving: view.Size(now), Admits: view.Admits(now)}
	if since, below := view.Below(now); below && !since.IsZero() {
		q.Since = since
		if asked.Patience > 0 {
			q.Deadline = since.Add(asked.Patience)
		}
	}
	return q
}
