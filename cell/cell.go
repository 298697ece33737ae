// Package cell holds the latest value of something, for many readers.
//
// A Cell replaces observers, notify methods and their queues: a writer
// replaces the value, readers take the newest one and may wait until it is out
// of date. A slow reader skips values; it never blocks the writer.
//
// Invariant: a value that is in a cell is not changed any more. Who wants
// another value sets another value.
package cell

import "sync"

// A Cell holds one value of type T. Any number of goroutines may use it at the
// same time. The zero Cell is not usable; make one with New.
type Cell[T any] struct {
	mu      sync.Mutex
	val     T             // latest value
	changed chan struct{} // closed when val is replaced
}

// New returns a Cell that holds val.
func New[T any](val T) *Cell[T] {
	return &Cell[T]{val: val, changed: make(chan struct{})}
}

// Get returns the value and a channel that is closed once it is out of date.
func (c *Cell[T]) Get() (T, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.val, c.changed
}

// Load returns the value, for readers that do not wait for the next one.
func (c *Cell[T]) Load() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.val
}

// Set replaces the value and wakes every watcher.
func (c *Cell[T]) Set(val T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.val = val
	close(c.changed)
	c.changed = make(chan struct{})
}
