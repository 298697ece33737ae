package components

import (
	"reflect"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A condition is how the last attempt at something went. Any number of
// goroutines may use it.
type condition struct {
	mu    sync.Mutex
	state component.Health
}

// set makes the state current, and reports whether it differs from the last.
func (c *condition) set(s component.HealthState, message string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := s != c.state.State || message != c.state.Message
	c.state = component.Health{State: s, Message: message, Since: time.Now()}
	return news
}

// fail makes the component unhealthy, and reports whether that is news.
func (c *condition) fail(err error) bool { return c.set(component.Unhealthy, err.Error()) }

// health tells how the last attempt went.
func (c *condition) health() component.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// An exporter exports a value of type X when it is news, and remembers how the
// last attempt to get it went.
type exporter[X any] struct {
	condition
	export func(any)

	mu   sync.Mutex
	last *X // what was exported last; nil at first
}

// publish exports next if it differs from the last.
func (e *exporter[X]) publish(next X, message string) {
	e.mu.Lock()
	news := e.last == nil || !reflect.DeepEqual(next, *e.last)
	e.last = &next
	e.mu.Unlock()
	e.set(component.Healthy, message)
	if news {
		e.export(next)
	}
}
