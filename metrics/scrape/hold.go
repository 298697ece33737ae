package scrape

import (
	"context"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A receiver may refuse samples that are older than the newest it has. So a
// node that gains a target keeps what it scrapes back until the node that had
// it before says that nothing of it is on its way any more:
//
//	old owner:  last slot ─ first slot that is not ours ─► all delivered? ──"flushed"──┐
//	new owner:              first slot: scrape, park ── (next slot: scrape, park) ── let go
//
// That takes a tenth of a second where nothing is backed up. After holdTime,
// or when this node stops, it is let go without. Nothing is kept back from a
// node that hears no notes: a dead one, or one of other software.
//
// What is parked is in memory only.

// holdTime is how long a target's first samples are kept back at most.
const holdTime = 5 * time.Second

// holdLocked begins a hold of a target whose slot was another node's before,
// unless that one has said already that it may go. It needs mu.
func (p *Pool) holdLocked(t *target, slot time.Time) {
	if slot.After(t.cleared) {
		t.hold = &walk.Hold{}
		p.held = append(p.held, t)
	}
}

// awaitLocked sees to it that the holds of this round end. It needs mu.
func (p *Pool) awaitLocked() {
	if len(p.held) == 0 {
		return
	}
	held := make(map[*target]*walk.Hold, len(p.held))
	for _, t := range p.held {
		held[t] = t.hold
	}
	clear(p.held)
	p.held = p.held[:0]
	p.wg.Go(func() {
		timer := time.NewTimer(holdTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.stopping:
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for t, h := range held {
			if h != nil && t.hold == h {
				p.set.metrics.holdsExpired.Inc()
				p.letGoLocked(t)
			}
		}
	})
}

// letGoLocked ends the hold of t, if there is one, after the scrapes of it that
// are in flight. It needs mu.
func (p *Pool) letGoLocked(t *target) {
	h := t.hold
	if h == nil {
		return
	}
	t.hold = nil
	log, shown := p.set.log, t.id.Shown
	p.turnLocked(t, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := h.LetGo(); err != nil {
			log.Error("scrape was lost: the receivers did not take it", "target", shown, "err", err)
		}
	})
}

// flushedLocked notes that nothing of a target is on its way from its former
// owner. The first slot here may not have come yet. It needs mu.
func (p *Pool) flushedLocked(t *target, from string, w word) {
	slot := time.UnixMilli(w.slot)
	former, ok := t.id.owner(p.set.cfg.View.Load(), slot.Add(-t.id.Interval))
	if !ok || former.Name != from || time.Since(slot).Abs() > schedule.MaxLost*t.id.Interval {
		return
	}
	t.cleared = slot
	p.letGoLocked(t)
}

// A farewell is a word to the new owner of a target, and what there is to wait
// for before it is true.
type farewell struct {
	to   string
	word word
	turn chan struct{} // of the target's last scrape; nil: it is done
}

// reachesLocked reports whether notes to a node may arrive. It asks once a
// round. It needs mu.
func (p *Pool) reachesLocked(node string) bool {
	if p.set.cfg.Reaches == nil {
		return false
	}
	known, asked := p.reached[node]
	if !asked {
		known = p.set.cfg.Reaches(node)
		p.reached[node] = known
	}
	return known
}

// farewellLocked begins to tell the owner of a slot that nothing of t is on its
// way from here. It needs mu.
func (p *Pool) farewellLocked(t *target, to string, slot time.Time) {
	if p.tell == nil || to == "" || !p.reachesLocked(to) {
		return
	}
	p.letGoLocked(t)
	f := farewell{to: to, word: word{fate: flushed, slot: slot.UnixMilli(), key: t.id.key}}
	select {
	case <-t.turn:
	default:
		f.turn = t.turn
	}
	p.farewells = append(p.farewells, f)
}

// sendFarewellsLocked sees to it that the words of this round are said once
// they are true. Targets whose last scrape is done do not wait for the others.
// It needs mu.
func (p *Pool) sendFarewellsLocked() {
	var done []farewell
	for _, f := range p.farewells {
		if f.turn == nil {
			done = append(done, f)
			continue
		}
		p.wg.Go(func() {
			<-f.turn
			p.sayDelivered(f)
		})
	}
	clear(p.farewells)
	if p.farewells = p.farewells[:0]; len(done) > 0 {
		p.wg.Go(func() { p.sayDelivered(done...) })
	}
}

// sayDelivered waits until all that was appended is delivered, and says so. If
// that takes too long nobody waits for the word any more.
func (p *Pool) sayDelivered(list ...farewell) {
	ctx, cancel := context.WithTimeout(context.Background(), holdTime)
	defer cancel()
	p.mu.Lock()
	sink := p.sink
	p.mu.Unlock()
	if err := telemetry.Delivered(ctx, sink); err != nil {
		return
	}
	for _, f := range list {
		p.say(f.to, f.word)
	}
}

// leave says farewell to the new owners of all targets that were served here
// to the end. No slot is served and no scrape in flight any more.
func (p *Pool) leave() {
	now := time.Now().Round(0)
	p.mu.Lock()
	clear(p.reached)
	view, self := p.set.cfg.View.Load(), p.set.cfg.Self
	for key, t := range p.targets {
		slot := owner.NextSlot(key, t.id.Interval, now)
		if m, ok := t.id.owner(view, slot); ok && m.Name != self && t.scraped && !t.away {
			p.farewellLocked(t, m.Name, slot)
		}
	}
	p.sendFarewellsLocked()
	p.mu.Unlock()
	p.wg.Wait()
}
