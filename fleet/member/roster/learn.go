package roster

import (
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Learn merges entries that a peer sent, by gossip or directly. It reports
// whether any of them was news.
func (r *Roster) Learn(now time.Time, entries ...Entry) (news bool) {
	for _, e := range entries {
		if e.Name == r.cfg.Name && e.Instance == r.cfg.Instance {
			r.hearOfSelf(now, e)
			continue
		}
		if r.merge(now, e) {
			news = true
			r.endFormerLives(now, e.Name)
		}
	}
	if news {
		r.settleName(now)
	}
	return news
}

// maxAhead is how far ahead of our own Seq another may claim it to be. Nobody
// raises it but us, so whoever claims more is broken, or means harm.
const maxAhead = 1 << 16

// hearOfSelf corrects those who hold this life for dead. The dates stay: this
// node went on serving, as its heirs did, and they stop when they hear.
func (r *Roster) hearOfSelf(now time.Time, e Entry) {
	if e.Seq < r.self.Seq || e.Seq == r.self.Seq && !e.Down || e.Seq-r.self.Seq > maxAhead {
		return
	}
	if e.Down {
		r.counts.FalseDeaths++
	}
	r.self.Seq = e.Seq
	if r.stage != Left {
		r.announce(now)
	}
}

// merge takes e in if it is newer than what is known.
func (r *Roster) merge(now time.Time, e Entry) bool {
	i, known := r.find(e.Name, e.Instance)
	if !known {
		if len(r.lives) >= maxLives || len(r.named(e.Name)) >= maxNamesakes || e.departed(now) && now.Sub(e.end()) > r.cfg.Retain {
			return false
		}
		e = r.recall(e)
		r.lives = slices.Insert(r.lives, i, &life{Entry: e, met: now, heard: now, proof: e.Instance.Started()})
		r.changes++
		return true
	}
	l := r.lives[i]
	switch {
	case !e.supersedes(&l.Entry):
		return false
	case e.Down && !l.Down && r.hears(l, now):
		// Let it object itself: somebody else cannot reach it, but we do.
		r.do(Action{Do: Tell, Peer: l.Name, Addr: l.Addr, Entries: []Entry{e}})
		return false
	case e.Down && !l.Down:
		r.died(now, l, e.DownAt)
	}
	if e.Seq > l.Seq {
		r.heardFrom(l, now) // it was alive to say so
	}
	l.Entry = e
	r.changes++
	return true
}

// hears reports whether our own lifeline to l is intact.
func (r *Roster) hears(l *life, now time.Time) bool {
	return !l.watched.IsZero() && l.doubt.since.IsZero() && now.Sub(l.heard) < r.cfg.Silence/2
}

// died records a death for metrics.
func (r *Roster) died(now time.Time, l *life, proof time.Time) {
	r.counts.Deaths++
	if !l.From.IsZero() && !now.Before(l.From) {
		r.deaths = append(r.deaths, Death{Name: l.Name, Instance: l.Instance, Proof: proof, Known: now})
	}
}

// endFormerLives marks lives of a node down that has started anew at the same
// address: two processes cannot have it.
func (r *Roster) endFormerLives(now time.Time, name string) {
	lives := r.named(name)
	for _, old := range lives {
		ours := name == r.cfg.Name && old.Addr == r.cfg.Addr
		anew := slices.ContainsFunc(lives, func(l *life) bool {
			return !l.Down && l.Addr == old.Addr && l.Instance > old.Instance
		})
		if !old.departed(now) && (ours || anew) && !r.ignorant(now, old) {
			r.markDown(now, old)
		}
	}
}

// rival returns a living entry that has this node's name by right, or nil.
func (r *Roster) rival() *life {
	for _, l := range r.named(r.cfg.Name) {
		if l.claims() && l.Addr != r.cfg.Addr && l.before(&r.self) {
			return l
		}
	}
	return nil
}

// Rival returns the address of the process that keeps this node out because it
// has the same name; "" if there is none or its address is not known.
func (r *Roster) Rival() string {
	if l := r.rival(); l != nil {
		return l.Addr
	}
	return ""
}

// settleName withdraws this node if another process has its name by right.
func (r *Roster) settleName(now time.Time) {
	if r.stage != Left && r.stage != Displaced && r.rival() != nil {
		r.displace(now)
	}
}

// Refused says that the gossip does not take this node in because its name is
// taken. Unless that is said again, the name is free after a while.
func (r *Roster) Refused(now time.Time) {
	r.refused = now
	if r.stage != Left && r.stage != Displaced {
		r.displace(now)
	}
}

// refusalCounts is how long a refusal keeps this node out.
const refusalCounts = 3 * time.Second

// displaced reports whether another process has this node's name.
func (r *Roster) displaced(now time.Time) bool {
	return r.rival() != nil || !r.refused.IsZero() && now.Sub(r.refused) < refusalCounts
}

// displace withdraws this node in favour of another with its name. Peers hear
// of it directly, and not by gossip, which knows nodes by their names.
func (r *Roster) displace(now time.Time) {
	r.stage = Displaced
	r.changes++
	r.self.From, r.self.Until = time.Time{}, time.Time{}
	r.self.Seq++
	r.resend(now)
}

// SetForeign says that a node without our metadata takes part, or no longer
// does.
func (r *Roster) SetForeign(now time.Time, name string, takesPart bool) {
	m, known := r.foreign[name]
	switch {
	case takesPart && (!known || !m.Until.IsZero()):
		r.foreign[name] = owner.Member{Name: name, From: round(now), Peer: true, Foreign: true}
		r.changes++
	case !takesPart && known && m.Until.IsZero():
		m.Until = round(now)
		r.foreign[name] = m
		r.changes++
	}
}

const forgetEvery = time.Second

// forget drops from the View what departed long ago. Below the quorum nothing is dropped:
// the deadline is reckoned from when the missing ones left.
func (r *Roster) forget(now time.Time) {
	if now.Sub(r.swept).Abs() < forgetEvery {
		return
	}
	r.swept = now
	if r.cfg.Quorum.Size > 1 {
		if _, below := r.View().Below(now); below {
			return
		}
	}
	var over []*life
	r.lives = slices.DeleteFunc(r.lives, func(l *life) bool {
		if !l.departed(now) || now.Sub(later(l.end(), l.heard)) <= r.cfg.Retain {
			return false
		}
		over = append(over, l)
		return true
	})
	r.bury(now, over)
	if len(over) > 0 {
		r.changes++
	}
	for name, m := range r.foreign {
		if !m.Until.IsZero() && now.Sub(m.Until) > r.cfg.Retain {
			delete(r.foreign, name)
			r.changes++
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sooner returns the earlier of two times, of which zero ones are none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// round cuts t to what an Entry can carry. It strips the monotonic reading.
func round(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()) }
