package scrape

import (
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
)

// A parting is a target whose slot is another node's.
type parting struct {
	sources []*source
	id      *identity
	heir    string // empty: nobody
	slot    time.Time
	served  bool // here, so that the heir waits for a word
}

// partLocked ends what this node has to do with a target. It needs mu.
func (p *Pool) partLocked(t *target, heir string, slot time.Time) parting {
	if t.mine && heir != "" {
		p.set.metrics.moved.Inc()
	}
	x := parting{sources: t.sources, id: t.id, heir: heir, slot: slot, served: t.mine}
	t.mine = false
	return x
}

// surrender gives the baselines of targets to the owners of their slots, or
// throws them away where no note may reach one: they are good for nothing once
// somebody else has made a delta.
func (p *Pool) surrender(list []parting, set *settings) {
	reached := map[string]bool{"": false}
	for _, x := range list {
		ok, asked := reached[x.heir]
		if !asked {
			ok = p.tell != nil && set.cfg.Reaches != nil && set.cfg.Reaches(x.heir)
			reached[x.heir] = ok
		}
		for i, s := range x.sources {
			given, r := s.surrender(), x.id.requests[i]
			if !ok || r.counters == nil || given.base == nil && !x.served {
				continue
			}
			if given.base != nil {
				set.metrics.sent.Inc()
			}
			p.say(x.heir, word{key: x.id.key, source: r.name, slot: x.slot, inheritance: given})
		}
	}
}

// leave hands over all targets that were served here to the end, or that were
// handed over to here. No slot is served any more.
func (p *Pool) leave() {
	now := time.Now().Round(0)
	p.mu.Lock()
	var list []parting
	set, view := p.set, p.set.cfg.View.Load()
	for key, t := range p.targets {
		slot := owner.NextSlot(key, set.cfg.Interval, now)
		if m, ok := view.Owner(key, slot); ok && (m.Name != set.cfg.Self || m.Peer) {
			list = append(list, p.partLocked(t, m.Name, slot))
		}
	}
	p.mu.Unlock()
	p.surrender(list, set)
	if p.tell != nil {
		p.outbox.send(p.tell)
	}
}

// noteDelay is how long words are collected for one note.
const noteDelay = 100 * time.Millisecond

// say tells a node what the next delta of a series needs. The caller is a
// goroutine of the pool.
func (p *Pool) say(node string, w word) {
	full, first := p.outbox.add(node, w)
	if full != nil {
		p.tell(node, full)
	}
	if !first {
		return
	}
	p.wg.Go(func() {
		timer := time.NewTimer(noteDelay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.left:
		}
		p.outbox.send(p.tell)
	})
}

// Told takes a note from another node's pool of the same name about targets
// that move to here. It returns at once.
func (p *Pool) Told(from string, note []byte) {
	words, err := decodeNote(note)
	p.mu.Lock()
	if err != nil {
		p.set.log.Warn("note of a peer not understood", "peer", from, "err", err)
	}
	set := p.set
	var taken, others []word
	for _, w := range words {
		t := p.targets[w.key]
		if t == nil || time.Since(w.slot).Abs() > schedule.MaxLost*set.cfg.Interval {
			continue
		}
		if !set.owns(w.key, w.slot) {
			others = append(others, w)
			continue
		}
		if s := t.source(w.source); s != nil && s.receive(w.slot, w.inheritance) {
			set.metrics.received.Inc()
			taken = append(taken, w)
		}
	}
	p.mu.Unlock()
	p.forward(others, set)
	if len(taken) > 0 {
		p.wg.Go(func() { p.follow(taken) })
	}
}

// owns reports whether a slot of a key is this node's.
func (s *settings) owns(key owner.Key, slot time.Time) bool {
	m, ok := s.cfg.View.Load().Owner(key, slot)
	return ok && m.Name == s.cfg.Self && !m.Peer
}

// source returns the source of a type of profile, if that has counters.
func (t *target) source(name string) *source {
	for _, s := range t.sources {
		if s.req.name == name && s.req.counters != nil {
			return s
		}
	}
	return nil
}

// forward passes words on to those whose slots they are for.
func (p *Pool) forward(words []word, set *settings) {
	view := set.cfg.View.Load()
	for _, w := range words {
		m, ok := view.Owner(w.key, w.slot)
		reached := p.tell != nil && set.cfg.Reaches != nil && set.cfg.Reaches(m.Name)
		if !ok || m.Name == set.cfg.Self || !reached || w.base == nil || w.hops == maxHops {
			continue
		}
		w.hops++
		p.say(m.Name, w)
	}
}

// unsure is how long after a slot it is settled whether it has begun here.
const unsure = 100 * time.Millisecond

// follow waits for the slots that words were for, and passes on those words
// whose target has moved again before, so that its slot is another node's.
func (p *Pool) follow(words []word) {
	slices.SortFunc(words, func(a, b word) int { return a.slot.Compare(b.slot) })
	for _, w := range words {
		timer := time.NewTimer(time.Until(w.slot.Add(unsure)))
		select {
		case <-timer.C:
		case <-p.stopping: // leave sees to it
			timer.Stop()
			return
		}
		s, set := p.sourceOf(w)
		if s == nil || set.owns(w.key, w.slot) {
			continue
		}
		if x, ok := s.pass(w.slot); ok {
			w.inheritance = x
			p.forward([]word{w}, set)
		}
	}
}

// sourceOf returns the source that a word is about; nil if there is none.
func (p *Pool) sourceOf(w word) (*source, *settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[w.key]
	if t == nil {
		return nil, p.set
	}
	return t.source(w.source), p.set
}
