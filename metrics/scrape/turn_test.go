package scrape

import (
	"slices"
	"testing"
)

// What is begun for one target is done in that order, however it is scheduled.
func TestTurnsOfATargetKeepTheirOrder(t *testing.T) {
	var p Pool
	var tg target
	var order []int
	p.mu.Lock()
	for i := range 200 {
		p.turnLocked(&tg, func() { order = append(order, i) })
	}
	p.mu.Unlock()
	p.wg.Wait()
	if len(order) != 200 || !slices.IsSorted(order) {
		t.Errorf("done in the order %v", order)
	}
}
