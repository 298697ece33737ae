package scrape

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A series is marked as ended by whoever owns its target when it ends. A move
// ends nothing, so nobody writes a marker because of it:
//
//	old owner:  scrapes ── first slot that is not ours ── keeps the memory ── two intervals later: releases it
//	new owner:                     first scrape ──┬─ succeeds: remembers from here on
//	                                              └─ fails, or the target is not listed any more:
//	                                                 tells the old owner, which marks the series
//
// Between the two the new owner knows no series yet, and the old one does not
// know what the scrape brought; so they tell each other (note.go). What is
// lost with a note, with an owner that has left or died, or with series that
// end exactly at the move, goes stale at the receiver by itself, some minutes
// later.

// noteDelay is how long words are collected for one note.
const noteDelay = 100 * time.Millisecond

// say tells a node the fate of a target that it scraped before. The caller is
// a goroutine of the pool.
func (p *Pool) say(node string, w word) {
	tell := p.tell
	if tell == nil || !p.commons.outbox.add(node, w) {
		return
	}
	p.wg.Go(func() {
		timer := time.NewTimer(noteDelay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.stopping:
		}
		p.commons.outbox.send(tell)
	})
}

// Told takes a note from another node's pool of the same name about targets
// that it took over from this one. It returns at once.
func (p *Pool) Told(from string, note []byte) {
	words, err := decodeNote(note)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.set.log.Warn("note of a peer not understood", "peer", from, "err", err)
		return
	}
	p.heed(from, words)
}

// heed takes words about targets, of which some may be other pools'.
func (p *Pool) heed(from string, words []word) {
	p.mu.Lock()
	defer p.mu.Unlock()
	view, removed := p.set.cfg.View.Load(), false
	for _, w := range words {
		t, slot := p.targets[w.key], time.UnixMilli(w.slot)
		if t != nil && w.fate == flushed {
			p.flushedLocked(t, from, w)
			continue
		}
		if t == nil || !t.scraped || !slot.After(t.served) || time.Since(slot).Abs() > schedule.MaxLost*t.id.Interval {
			continue
		}
		if m, ok := t.id.owner(view, slot); !ok || m.Name != from || m.Name == p.set.cfg.Self && !m.Peer {
			continue
		}
		removed = p.heedLocked(t, w) || removed
	}
	if removed {
		p.scheduleLocked()
	}
}

// heedLocked does for a target that moved away what its new owner cannot. It
// reports whether the target was removed. It needs mu.
func (p *Pool) heedLocked(t *target, w word) bool {
	p.letGoLocked(t)
	e := ending{set: p.set, t: t, id: t.id, at: w.slot}
	switch {
	case w.fate == failed:
		p.turnLocked(t, func() { p.end(e) })
	case w.fate == vanished:
		e.reports, e.twins = true, p.twinsLocked(t, t.id.Labels)
		p.turnLocked(t, func() { p.end(e) })
	case t.gone:
		p.turnLocked(t, t.forget)
	default:
		return false // it may come back
	}
	t.scraped = false
	if t.gone {
		delete(p.targets, t.id.key)
	}
	return t.gone
}

// loseLocked takes notice of a slot of t that is another node's. It reports
// whether the target was removed. It needs mu.
func (p *Pool) loseLocked(t *target, l schedule.Lost) bool {
	p.letGoLocked(t)
	if l.Slots == 1 {
		t.away, t.from = true, ""
		if t.scraped {
			p.farewellLocked(t, l.Owner, l.Slot)
		}
		if l.Owner != "" && !t.gone {
			p.set.metrics.moved.Inc()
		}
	}
	switch {
	case t.gone && (l.Slots == 1 || t.ended > 0):
		return p.endLocked(t, l.Slot) // it was gone before anybody else scraped it
	case l.Slots == schedule.MaxLost:
		p.turnLocked(t, t.forget)
		t.scraped = false
		if t.gone {
			delete(p.targets, l.Key)
		}
		return t.gone
	}
	return false
}

// endLocked counts the slots that pass after a target is gone. Its series are
// marked at the first one's time, once the second has come without its being
// back. It reports whether the target was removed. It needs mu.
func (p *Pool) endLocked(t *target, slot time.Time) bool {
	p.letGoLocked(t)
	if t.ended++; t.ended == 1 {
		t.staleT = slot
		return false
	}
	delete(p.targets, t.id.key)
	e := ending{set: p.set, t: t, id: t.id, at: t.staleT.UnixMilli(), reports: true, twins: p.twinsLocked(t, t.id.Labels)}
	p.turnLocked(t, func() { p.end(e) })
	return true
}

// endGone marks the series of targets that are gone and would have been marked
// in time, for nobody who comes after knows them. Those that another node has
// served since are left to it.
func (p *Pool) endGone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets {
		if !t.gone || !t.scraped || t.ended == 0 && t.away {
			continue
		}
		if t.ended == 0 {
			t.ended, t.staleT = 1, time.Now()
		}
		p.endLocked(t, t.staleT)
	}
}

// disownLocked removes a target that is gone at its first slot with us, and
// tells the node that scraped it before. It needs mu.
func (p *Pool) disownLocked(t *target, slot time.Time) {
	p.say(t.from, word{fate: vanished, slot: slot.UnixMilli(), key: t.id.key})
	delete(p.targets, t.id.key)
	p.turnLocked(t, t.forget)
}

// inherits reports whether the next slot of a target is ours and the one
// before was another node's: then its end is ours to tell, too.
func (p *Pool) inherits(t *target, now time.Time) bool {
	view := p.set.cfg.View.Load()
	next := owner.NextSlot(t.id.key, t.id.Interval, now)
	heir, ok := t.id.owner(view, next)
	former, owned := t.id.owner(view, next.Add(-t.id.Interval))
	self := p.set.cfg.Self
	return ok && heir.Name == self && !heir.Peer && owned && former.Name != self
}

// settle takes notice of how a scrape went: it counts the slot, and tells the
// target's former owner, once.
func (p *Pool) settle(j *job, r walk.Result) {
	m := j.set.metrics
	if r.Kept {
		m.slotsServed.Inc()
		if j.late > owner.Tick(j.id.Interval) {
			m.slotsLate.Inc()
		}
		if j.caughtUp {
			m.slotsCaughtUp.Inc()
		}
	} else {
		m.slotsMissed.Inc()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	j.t.turns--
	j.t.size, j.t.contentType = j.size, j.contentType
	if r.Kept && j.from != "" && j.t.from == j.from {
		j.t.from = ""
		w := word{fate: answered, slot: j.slot.UnixMilli(), key: j.id.key}
		if r.Ended {
			w.fate = failed
		}
		p.say(j.from, w)
	}
}

// twinsLocked returns the targets that have the labels of t, lset, and are not
// gone. It needs mu.
func (p *Pool) twinsLocked(t *target, lset telemetry.Labels) []*target {
	if p.byLabels == nil {
		p.byLabels = make(map[uint64][]*target, len(p.order))
		for _, key := range p.order {
			other := p.targets[key]
			h := other.id.Labels.Hash()
			p.byLabels[h] = append(p.byLabels[h], other)
		}
	}
	var twins []*target
	for _, other := range p.byLabels[lset.Hash()] {
		if other != t && labels.Equal(other.id.Labels, lset) {
			twins = append(twins, other)
		}
	}
	return twins
}

// An ending says which series of a target are to be marked, and when.
type ending struct {
	set     *settings
	t       *target
	id      *identity
	at      int64 // timestamp of the markers
	reports bool  // the report series, too
	twins   []*target
}

// end marks the series of a target, but for those that one of its twins,
// targets with the same labels in this pool or in another of the component, goes
// on with. Then it gives them up.
func (p *Pool) end(e ending) {
	t := e.t
	if e.reports {
		e.twins = append(e.twins, p.commons.twins(p, t, e.id.Labels)...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	goesOn := map[telemetry.Handle]bool{}
	for _, twin := range e.twins {
		twin.mu.Lock()
		for _, h := range twin.memory.Holds() {
			goesOn[h] = true
		}
		twin.mu.Unlock()
	}
	w := <-p.walks
	defer func() { p.walks <- w }()
	n, err := w.End(&t.memory, walk.Ending{Target: &e.id.Target, At: e.at, Reports: e.reports, GoesOn: goesOn})
	if err != nil {
		e.set.log.Warn("end of a target's series was lost", "target", e.id.Shown, "err", err)
	}
	e.set.metrics.forwarded.Add(float64(n))
}
