package ui

import (
	"context"
	"fmt"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// problems returns what the strip at the top of each page says: all that is
// wrong with the fleet, or with this node if nobody speaks for the fleet.
func (u *UI) problems(ctx context.Context) []string {
	if u.cfg.Fleet != nil {
		return u.cfg.Fleet.Verdict(ctx)
	}
	list := u.cfg.Notices()
	for _, c := range u.cfg.Pipeline.Components() {
		if c.Health.State == component.Unhealthy || c.Health.State == component.Exited {
			list = append(list, fmt.Sprintf("Component %s is %s: %s", c.ID, c.Health.State, c.Health.Message))
		}
	}
	if !u.cfg.Pipeline.Ready() {
		list = append(list, "No configuration is loaded yet.")
	}
	return list
}
