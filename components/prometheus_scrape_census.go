package components

import "github.com/divvy-collector/divvy/telemetry/status"

// Census returns which targets there are, in short: see component.Scraper.
func (c *prometheusScrape) Census() status.Census {
	census := c.pool.Census()
	c.mu.Lock()
	defer c.mu.Unlock()
	census.Component, census.Clustered = c.env.ID, c.clustered
	return census
}
