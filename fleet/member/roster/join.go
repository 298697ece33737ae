package roster

import (
	"slices"
	"time"
)

// Ready says that this node can serve from now on. It announces From: a lead
// from now, or now if nobody else takes part.
func (r *Roster) Ready(now time.Time) {
	if r.ready.IsZero() && r.stage != Leaving && r.stage != Left {
		r.ready = now
	}
	r.tryJoin(now)
}

// tryJoin announces From unless something stands against it.
func (r *Roster) tryJoin(now time.Time) {
	if r.ready.IsZero() || r.stage != Viewing && r.stage != Fenced || !r.measured(now) || r.skewed(now) {
		return
	}
	if r.displaced(now) {
		r.displace(now)
		return
	}
	r.self.From = round(now)
	if r.others(now) {
		r.self.From = round(now.Add(r.cfg.Lead))
	}
	r.self.Until = time.Time{}
	r.stage, r.moved = Joining, false
	r.announce(now)
	r.advance(now)
}

// measured reports whether every peer's clock is known, or has been waited for.
func (r *Roster) measured(now time.Time) bool {
	return now.Sub(r.ready) >= r.cfg.Measure || !slices.ContainsFunc(r.alive(now), func(l *life) bool { return l.timed.IsZero() })
}

// Leave says that this node is about to stop. It announces Until: a lead from
// now, or now if nobody else could take over; if its From is still to come,
// Until is the same, or a lead later if that is too close to be told. The
// Depart action tells when.
func (r *Roster) Leave(now time.Time) {
	r.ready = time.Time{}
	r.advance(now)
	switch r.stage {
	case Left, Leaving:
		return
	case Joining:
		r.self.Until = r.self.From
		if r.self.From.Sub(now) < r.cfg.Lead*2/5 {
			r.self.Until = r.self.From.Add(r.cfg.Lead)
		}
	case Serving:
		r.self.Until = round(now)
		if r.others(now) {
			r.self.Until = round(now.Add(r.cfg.Lead))
		}
	default:
		r.stage = Left
		r.do(Action{Do: Depart})
		return
	}
	r.stage, r.moved = Leaving, false
	r.announce(now)
	r.advance(now)
}

// Fence withdraws this node at once: its process was stopped or starved, or
// its clock is wrong, and others may have taken its targets over. It joins
// again by itself, unless it was leaving. What it knows of its peers is out of
// date, so nobody counts as silent, and some of them are asked for news.
//
// Until served it has served its slots, and none after that: so it says in its
// entry, and whoever takes a slot over knows which was the last that is done.
// A node that is alone goes on; nobody can have taken over from it.
func (r *Roster) Fence(now, served time.Time) {
	end := round(served).Add(time.Millisecond)
	if end.After(now) {
		end = round(now) // the clock went back; others serve again what it was ahead
	}
	peers := r.alive(now)
	for i, l := range peers {
		r.heardFrom(l, now)
		if i < maxAsked {
			r.do(Action{Do: Sync, Peer: l.Name, Addr: l.Addr})
		}
	}
	switch {
	case r.stage == Leaving:
		r.stage = Left
		if end.Before(r.self.Until) {
			r.self.Until = end
		}
		r.do(Action{Do: Terminate})
		r.do(Action{Do: Depart})
	case (r.stage == Joining || r.stage == Serving) && len(peers)+len(r.foreign) > 0:
		r.stage = Fenced
		r.self.retire(end)
		if r.fenced.IsZero() {
			r.fenced = now
		}
		r.do(Action{Do: Withdraw})
	default:
		return
	}
	r.announce(now)
}

// announce raises our Seq and makes it known: by gossip, and directly to every
// living peer.
func (r *Roster) announce(now time.Time) {
	r.self.Seq++
	r.changes++
	r.do(Action{Do: Announce})
	for _, l := range r.alive(now) {
		r.tell(l, now)
	}
}

// tell delivers our entry to a peer.
func (r *Roster) tell(l *life, now time.Time) {
	l.sent = now
	r.do(Action{Do: Tell, Peer: l.Name, Addr: l.Addr, Entries: []Entry{r.self}})
}

// Acked says that a life has our entry at seq.
func (r *Roster) Acked(now time.Time, name string, instance Instance, seq uint32) {
	if l := r.life(name, instance); l != nil {
		r.heardFrom(l, now)
		l.acked = max(l.acked, seq)
	}
}

// Tick does what has become due: call it some four times a second.
func (r *Roster) Tick(now time.Time) {
	r.count(now)
	r.watch(now)
	r.listen(now)
	r.resend(now)
	r.postpone(now)
	r.advance(now)
	r.pursueDoubts(now)
	r.compareDigests(now)
	r.forget(now)
	if r.stage == Displaced && !r.displaced(now) {
		r.stage = Viewing
		r.changes++
	}
	r.tryJoin(now)
	if (r.stage == Serving || r.stage == Joining) && r.skewed(now) {
		r.Fence(now, now)
	}
}

// count counts the dates that have come since the last Tick.
func (r *Roster) count(now time.Time) {
	if r.coming.hold(r.changes, now) {
		return
	}
	r.coming = dates{changes: r.changes}
	came := func(date time.Time) {
		switch {
		case date.After(now):
			r.coming.next = sooner(r.coming.next, date)
		case !r.ticked.IsZero() && date.After(r.ticked):
			r.counts.Transitions++
		}
	}
	came(r.self.From)
	came(r.self.Until)
	for _, l := range r.lives {
		if !l.Down {
			came(l.From)
			came(l.Until)
		}
	}
}

// dates are those to come.
type dates struct {
	changes int       // of the roster, when they were looked at
	next    time.Time // zero: none
}

// hold reports whether none has come or changed since they were looked at.
func (d *dates) hold(changes int, now time.Time) bool {
	return d.changes == changes && (d.next.IsZero() || now.Before(d.next))
}

// resend delivers our change again to those who have not acknowledged it.
func (r *Roster) resend(now time.Time) {
	for _, l := range r.lives {
		if l.acked < r.self.Seq && now.Sub(l.sent) >= r.cfg.Resend && !l.departed(now) {
			r.tell(l, now)
		}
	}
}

// postpone moves a date that is close by a lead, once, if somebody alive has
// not heard of it, or if before our From we do not agree with everybody. What
// remains of the lead is time to tell the new date; where that is too little,
// or for somebody whom we have just met, the date stays.
func (r *Roster) postpone(now time.Time) {
	date := r.pending()
	if date == nil || r.moved || date.Sub(now) > r.cfg.Lead*2/5 || date.Sub(now) < r.cfg.Lead/10 {
		return
	}
	late := slices.ContainsFunc(r.lives, func(l *life) bool {
		last := date.Sub(now) <= r.cfg.Lead/5
		unheard := l.acked < r.self.Seq && now.Sub(l.met) > 2*r.cfg.Resend
		differs := r.stage == Joining && !l.differs.IsZero() && (last || now.Sub(l.differs) > maxDiffer)
		return (unheard || differs) && l.doubt.since.IsZero() && !l.departed(now)
	})
	if !late {
		return
	}
	r.moved = true
	r.counts.Postponed++
	next := date.Add(r.cfg.Lead)
	if r.stage == Joining {
		r.self.retire(*date)
	}
	*date = next
	r.announce(now)
}

// pending returns the date that we have announced and that is to come, or nil.
func (r *Roster) pending() *time.Time {
	switch {
	case r.stage == Joining:
		return &r.self.From
	case r.stage == Leaving && r.self.Until.After(r.self.From):
		return &r.self.Until
	}
	return nil
}

// advance enters the stage whose date has come.
func (r *Roster) advance(now time.Time) {
	switch {
	case r.stage == Joining && !now.Before(r.self.From):
		r.stage = Serving
		if !r.fenced.IsZero() {
			r.counts.Fenced += now.Sub(r.fenced)
			r.fenced = time.Time{}
		}
		r.do(Action{Do: Participate})
	case r.stage == Leaving && !now.Before(r.self.Until):
		r.stage = Left
		r.do(Action{Do: Terminate})
		r.do(Action{Do: Depart})
	}
}
