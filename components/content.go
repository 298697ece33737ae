package components

import (
	"sync"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A contentExporter exports a text when it is news, and remembers how the last
// attempt to get it went.
type contentExporter struct {
	export func(any)

	mu    sync.Mutex
	last  contentExport
	sent  bool
	state component.Health
}

// set exports content if it differs from the last.
func (c *contentExporter) set(content alloytypes.OptionalSecret, message string) {
	next := contentExport{Content: content}
	c.mu.Lock()
	news := !c.sent || next != c.last
	c.last, c.sent = next, true
	c.setStateLocked(component.Healthy, message)
	c.mu.Unlock()
	if news {
		c.export(next)
	}
}

// fail makes the component unhealthy, and reports whether that is news.
func (c *contentExporter) fail(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setStateLocked(component.Unhealthy, err.Error())
}

// setStateLocked reports whether the state differs from the last. It needs mu.
func (c *contentExporter) setStateLocked(s component.HealthState, message string) bool {
	news := s != c.state.State || message != c.state.Message
	c.state = component.Health{State: s, Message: message, Since: time.Now()}
	return news
}

// health tells how the last attempt went.
func (c *contentExporter) health() component.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}
