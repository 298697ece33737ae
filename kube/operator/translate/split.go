package translate

import (
	"fmt"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// split returns a scrape configuration for each way in which a ScrapeConfig
// finds targets, named by it: scrapeConfig/shop/web/static/0, …/http/1. That is
// what Alloy calls these jobs, and what the label job is where the object has no
// jobName. One that finds nothing keeps its name.
func split(c *config.ScrapeConfig) []*config.ScrapeConfig {
	var out []*config.ScrapeConfig
	numbers := map[string]int{}
	job := func(d discovery.Config) {
		part := *c
		part.JobName = fmt.Sprintf("%s/%s/%d", c.JobName, d.Name(), numbers[d.Name()])
		part.ServiceDiscoveryConfigs = discovery.Configs{d}
		numbers[d.Name()]++
		out = append(out, &part)
	}
	for _, d := range c.ServiceDiscoveryConfigs {
		list, ok := d.(discovery.StaticConfig)
		if !ok {
			job(d)
			continue
		}
		for _, group := range list {
			job(discovery.StaticConfig{&targetgroup.Group{Targets: group.Targets, Labels: group.Labels, Source: "0"}})
		}
	}
	if out == nil {
		return []*config.ScrapeConfig{c}
	}
	return out
}
