package components

import (
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Census returns which targets there are, in short: see component.Scraper.
func (c *prometheusScrape) Census() status.Census {
	census := c.pool.Census()
	c.mu.Lock()
	defer c.mu.Unlock()
	census.Component, census.Clustered = c.env.ID, c.clustered
	return census
}

// Origins returns the labels that targets came with: see component.Scraper.
func (c *prometheusScrape) Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	return c.pool.Origins(wanted)
}
