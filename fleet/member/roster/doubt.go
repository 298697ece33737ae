package roster

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/divvy-collector/divvy/fleet/owner"
)

const (
	askEvery    = time.Second            // between two rounds of questions about a doubted life
	askPatience = 500 * time.Millisecond // how long an answer may take
	maxAsked    = 3                      // peers that are asked in one round
	maxDiffer   = time.Second            // how long a digest may differ before entries are exchanged
)

// Heard says that a life gave a proof of itself: it answered a ping or sent
// something.
func (r *Roster) Heard(now time.Time, name string, instance Instance) {
	if l := r.lives[lifeID{name, instance}]; l != nil {
		r.heardFrom(l, now)
	}
}

func (r *Roster) heardFrom(l *life, now time.Time) {
	l.heard = now
	l.doubted, l.asked = time.Time{}, time.Time{}
}

// Doubt says that a life seems dead: its lifeline broke and was refused, or
// the gossip gave it up. It is believed when another peer cannot reach it
// either, or when there is no other peer.
func (r *Roster) Doubt(now time.Time, name string, instance Instance) {
	l := r.lives[lifeID{name, instance}]
	if l == nil || l.departed(now) || !l.doubted.IsZero() {
		return
	}
	l.doubted = now
	r.pursue(now, l)
}

// Answered says what a peer found when it tried to reach a doubted life. While
// some peer vouches for it, it is alive.
func (r *Roster) Answered(now time.Time, name string, instance Instance, reachable bool) {
	l := r.lives[lifeID{name, instance}]
	if l == nil || l.Down || l.doubted.IsZero() {
		return
	}
	switch {
	case reachable:
		l.vouched = now
	case now.Sub(l.vouched) >= askEvery:
		r.markDown(now, l)
	}
}

// pursueDoubts asks again about lives that are still doubted, and believes
// what nobody answers to.
func (r *Roster) pursueDoubts(now time.Time) {
	for _, l := range r.lives {
		if !l.doubted.IsZero() && !l.departed(now) {
			r.pursue(now, l)
		}
	}
}

// pursue asks peers about l. With nobody to ask, the doubt is enough.
func (r *Roster) pursue(now time.Time, l *life) {
	if !l.asked.IsZero() && now.Sub(l.asked) < askEvery {
		return
	}
	witnesses := r.witnesses(now, l)
	if len(witnesses) == 0 {
		r.markDown(now, l)
		return
	}
	l.asked = now
	for _, w := range witnesses {
		r.do(Action{Do: Ask, Peer: w.Name, Addr: w.Addr, Suspect: l.Name, Instance: l.Instance})
	}
}

// witnesses returns peers that can be asked about l: living ones that are not
// doubted themselves, those heard from last first. A peer that has not been
// heard from since the doubt arose and was asked in vain is none.
func (r *Roster) witnesses(now time.Time, l *life) []*life {
	list := slices.DeleteFunc(r.alive(now), func(w *life) bool {
		silent := !l.asked.IsZero() && w.heard.Before(l.doubted) && now.Sub(l.doubted) > askEvery+askPatience
		return w == l || !w.doubted.IsZero() || silent
	})
	slices.SortFunc(list, func(a, b *life) int {
		return cmp.Or(b.heard.Compare(a.heard), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(len(list), maxAsked)]
}

// markDown records a death and tells everybody.
func (r *Roster) markDown(now time.Time, l *life) {
	l.Down, l.DownAt = true, round(l.proof)
	r.changes++
	r.counts.Deaths++
	for _, p := range r.alive(now) {
		r.do(Action{Do: Tell, Peer: p.Name, Addr: p.Addr, Entries: []Entry{l.Entry}})
	}
}

// Digest sums up everything that decides who owns what. Nodes with equal
// digests agree on every owner from now on.
func (r *Roster) Digest(now time.Time) uint64 {
	var d xxhash.Digest
	d.Reset()
	var buf [32]byte
	for _, e := range r.digested(now) {
		b := append(buf[:0], e.Name...)
		b = append(b, 0xFF)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Instance))
		b = binary.BigEndian.AppendUint32(b, e.Seq)
		d.Write(b)
	}
	return d.Sum64()
}

// digested returns the entries that have not departed, by name and instance.
func (r *Roster) digested(now time.Time) []*Entry {
	list := []*Entry{&r.self}
	for _, l := range r.lives {
		if !l.departed(now) {
			list = append(list, &l.Entry)
		}
	}
	slices.SortFunc(list, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Instance, b.Instance))
	})
	return list
}

// A Pulse is what a node says of itself in every answer to a ping.
type Pulse struct {
	Instance Instance
	Clock    time.Time // its wall clock
	Digest   uint64
}

// Compare notes a peer's pulse, which came within rtt of our ping.
func (r *Roster) Compare(now time.Time, name string, p Pulse, rtt time.Duration) {
	l := r.lives[lifeID{name, p.Instance}]
	if l == nil {
		return
	}
	r.heardFrom(l, now)
	l.proof = later(l.proof, p.Clock)
	l.pulsed = true
	l.skew = p.Clock.Sub(now.Add(-rtt / 2))
	switch {
	case p.Digest == r.Digest(now):
		l.differs = time.Time{}
	case l.differs.IsZero():
		l.differs = now
	}
}

// compareDigests exchanges entries with peers whose digest has differed for
// too long.
func (r *Roster) compareDigests(now time.Time) {
	for _, l := range r.alive(now) {
		if !l.differs.IsZero() && now.Sub(l.differs) > maxDiffer {
			l.differs = now
			r.counts.Disagreement++
			r.do(Action{Do: Sync, Peer: l.Name, Addr: l.Addr})
		}
	}
}

// Skew returns how far our clock is from the median of the peers': positive
// when theirs are ahead.
func (r *Roster) Skew(now time.Time) time.Duration {
	var list []time.Duration
	for _, l := range r.alive(now) {
		list = append(list, l.skew)
	}
	if len(list) == 0 {
		return 0
	}
	list = append(list, 0) // our own clock has a vote
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// skewed reports whether our clock is too far off to serve.
func (r *Roster) skewed(now time.Time) bool { return r.Skew(now).Abs() > r.cfg.MaxSkew }

// windowFrom is the window of a node that announces no dates.
func windowFrom(name string, now time.Time) owner.Member {
	return owner.Member{Name: name, From: round(now)}
}
