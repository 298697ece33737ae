package status

import (
	"slices"
	"sync"
	"time"
)

// maxPoints is how much of an endpoint's past is remembered: an hour.
const maxPoints = int(time.Hour / PointEvery)

// An Hour is the last hour of an endpoint. The zero Hour has no points. Any
// number of goroutines may use it at the same time.
type Hour struct {
	mu     sync.Mutex
	points []Point
	totals Point // what was counted until the last of them
}

// Add adds p, whose counts are totals.
func (h *Hour) Add(p Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.totals
	h.totals = p
	p.Sent -= before.Sent
	p.SentBytes -= before.SentBytes
	p.Failed -= before.Failed
	p.Dropped -= before.Dropped
	if len(h.points) == maxPoints {
		h.points = slices.Delete(h.points, 0, 1)
	}
	h.points = append(h.points, p)
}

// Points returns the points, the oldest first. Their counts are those since the
// point before.
func (h *Hour) Points() []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.points)
}
