package roster

import (
	"cmp"
	"slices"
	"time"
)

const (
	askEvery    = time.Second            // between two rounds of questions about a doubted life
	askPatience = 600 * time.Millisecond // how long an answer may take
	maxAsked    = 3                      // peers that are asked in one round
	lateTick    = 750 * time.Millisecond // a Tick this late says that it is we who are slow

	maxWatched  = 32 // peers up to which everybody watches everybody
	someWatched = 8  // peers that each node watches beyond that
)

// Heard says that a life gave a proof of itself: it answered a ping or sent
// something.
func (r *Roster) Heard(now time.Time, name string, instance Instance) {
	if l := r.life(name, instance); l != nil {
		r.heardFrom(l, now)
	}
}

func (r *Roster) heardFrom(l *life, now time.Time) {
	l.heard, l.doubt = now, doubt{}
}

// Watched returns the peers to which a lifeline is to be kept: all, or those
// that follow this node by name, and whoever has its name.
func (r *Roster) Watched() []Entry {
	list := make([]Entry, 0, len(r.watched))
	for _, l := range r.watched {
		list = append(list, l.Entry)
	}
	return list
}

// watch decides whom to watch.
func (r *Roster) watch(now time.Time) {
	if r.chosen.hold(r.changes, now) {
		return
	}
	r.chosen, r.watched = dates{changes: r.changes}, nil
	alive := r.alive(now)
	after, _ := slices.BinarySearchFunc(alive, r.cfg.Name, func(l *life, name string) int { return cmp.Compare(l.Name, name) })
	for _, l := range r.lives {
		if l.departed(now) {
			l.watched = time.Time{}
		}
	}
	for i, l := range alive {
		r.chosen.next = sooner(r.chosen.next, l.Until)
		follows := (i - after + len(alive)) % len(alive)
		switch {
		case len(alive) > maxWatched && follows >= someWatched && l.Name != r.cfg.Name:
			l.watched = time.Time{}
		case l.watched.IsZero():
			l.watched = now
		}
	}
	for _, l := range alive {
		if !l.watched.IsZero() {
			r.watched = append(r.watched, l)
		}
	}
}

// listen doubts watched lives that have been silent for too long. If our own
// ticks are late it is us who did not listen, and they get another chance.
func (r *Roster) listen(now time.Time) {
	slow := !r.ticked.IsZero() && now.Sub(r.ticked) > lateTick
	r.ticked = now
	for _, l := range r.watched {
		switch {
		case l.departed(now):
		case slow:
			l.heard = later(l.heard, now)
		case l.doubt.since.IsZero() && now.Sub(later(l.heard, l.watched)) > r.cfg.Silence:
			l.doubt.since = now
		}
	}
}

// Doubt says that a life seems dead: its lifeline broke and was refused. It is
// believed when another peer cannot reach it either, or when there is no other
// peer.
func (r *Roster) Doubt(now time.Time, name string, instance Instance) {
	l := r.life(name, instance)
	if l == nil || l.departed(now) || !l.doubt.since.IsZero() {
		return
	}
	l.doubt.since = now
	r.pursue(now, l)
}

// GivenUp says that the gossip holds a life for dead. That counts as a doubt
// unless our own lifeline knows better.
func (r *Roster) GivenUp(now time.Time, name string, instance Instance) {
	if l := r.life(name, instance); l != nil && !r.hears(l, now) {
		r.Doubt(now, name, instance)
	}
}

// Answered says what a peer found when it tried to reach a doubted life. While
// any peer vouches for it, it is alive.
func (r *Roster) Answered(now time.Time, name string, instance Instance, reachable bool) {
	l := r.life(name, instance)
	if l == nil || l.Down || l.doubt.since.IsZero() {
		return
	}
	if reachable {
		l.doubt.vouched = now
		return
	}
	l.doubt.unreached++
	r.pursue(now, l)
}

// pursueDoubts asks again about lives that are still doubted, and believes
// what nobody speaks against.
func (r *Roster) pursueDoubts(now time.Time) {
	for _, l := range r.lives {
		if !l.doubt.since.IsZero() && !l.departed(now) {
			r.pursue(now, l)
		}
	}
}

// pursue settles the doubt about l, or asks peers. With nobody to ask, the
// doubt is enough.
func (r *Roster) pursue(now time.Time, l *life) {
	d := &l.doubt
	vouched := !d.vouched.IsZero() && !d.vouched.Before(d.asked)
	denied := d.unreached > 0 && (d.unreached >= d.asking || now.Sub(d.asked) >= askPatience)
	switch {
	case d.asked.IsZero():
	case denied && !vouched && r.ignorant(now, l):
		return
	case denied && !vouched:
		r.markDown(now, l)
		return
	case now.Sub(d.asked) < askEvery:
		return
	}
	witnesses := r.witnesses(now, l)
	if len(witnesses) == 0 {
		r.markDown(now, l)
		return
	}
	d.asked, d.asking, d.unreached = now, len(witnesses), 0
	for _, w := range witnesses {
		r.do(Action{Do: Ask, Peer: w.Name, Addr: w.Addr, Suspect: l.Name, Instance: l.Instance})
	}
}

// ignorance is how long after having met a life others are left to date its
// death, if they can.
const ignorance = 5 * time.Second

// ignorant reports whether we have no proof of that life of our own, and just
// met it, so that somebody else can date its death better.
func (r *Roster) ignorant(now time.Time, l *life) bool {
	return l.proof.Equal(l.Instance.Started()) && now.Sub(l.met) < ignorance &&
		slices.ContainsFunc(r.lives, func(o *life) bool { return o.Name != l.Name && !o.departed(now) })
}

// witnesses returns peers that can be asked about l: living ones that are not
// doubted themselves, those heard from last first. A peer that has not been
// heard from since the doubt arose and was asked in vain is none.
func (r *Roster) witnesses(now time.Time, l *life) []*life {
	list := slices.DeleteFunc(r.alive(now), func(w *life) bool {
		silent := !l.doubt.asked.IsZero() && w.heard.Before(l.doubt.since) && now.Sub(l.doubt.since) > askEvery+askPatience
		return w == l || !w.doubt.since.IsZero() || silent
	})
	slices.SortStableFunc(list, func(a, b *life) int { return b.heard.Compare(a.heard) })
	return list[:min(len(list), maxAsked)]
}

// markDown records a death and tells everybody, the dead too: if it lives it
// objects.
func (r *Roster) markDown(now time.Time, l *life) {
	hearers := r.alive(now)
	l.Down, l.DownAt = true, round(l.proof)
	r.changes++
	r.died(now, l, l.DownAt)
	for _, p := range hearers {
		r.do(Action{Do: Tell, Peer: p.Name, Addr: p.Addr, Entries: []Entry{l.Entry}})
	}
}

// Hears reports whether we have just had a proof of that life, so that we can
// vouch for it.
func (r *Roster) Hears(now time.Time, name string, instance Instance) bool {
	l := r.life(name, instance)
	return l != nil && !l.Down && r.hears(l, now)
}
