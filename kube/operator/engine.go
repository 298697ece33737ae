package operator

import (
	"context"
	"errors"
)

// An Engine follows the objects of one kind. Any number of goroutines may use
// it at the same time.
type Engine struct{ conf Config }

// New returns an Engine that has not connected yet.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Engine{conf: cfg}, nil
}

// Update makes the Engine follow cfg instead, of the same Kind. The jobs stay
// as they are until all that cfg asks for was seen. An error has changed nothing.
func (e *Engine) Update(cfg Config) error { return cfg.Validate() }

// Run follows the objects until ctx is done.
func (e *Engine) Run(ctx context.Context) { <-ctx.Done() }

// Synced reports whether the objects, what they refer to and their targets were
// all seen once, so that the list of jobs is complete.
func (e *Engine) Synced() bool { return false }

// Health returns nil, or why the jobs may be out of date or incomplete: which
// verb on which resource is denied, or since when the API server is silent.
func (e *Engine) Health() error { return nil }

// Objects returns the status of every object, in the order of namespace and
// name.
func (e *Engine) Objects() []ObjectStatus { return nil }

// ScrapeConfig returns the scrape configuration that an object was translated
// to, as YAML, with its secrets hidden.
func (e *Engine) ScrapeConfig(namespace, name string) ([]byte, error) {
	return nil, errors.New("no such object")
}
