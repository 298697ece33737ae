package roster

import "time"

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
		}
	}
	if news {
		r.endFormerLives(now)
		r.settleName(now)
	}
	return news
}

// hearOfSelf corrects those who hold this life for dead. The dates stay: this
// node went on serving, as its heirs did, and they stop when they hear.
func (r *Roster) hearOfSelf(now time.Time, e Entry) {
	if e.Seq < r.self.Seq || !e.Down {
		return
	}
	r.self.Seq = e.Seq
	r.counts.FalseDeaths++
	r.announce(now)
}

// merge takes e in if it is newer than what is known.
func (r *Roster) merge(now time.Time, e Entry) bool {
	id := lifeID{e.Name, e.Instance}
	l := r.lives[id]
	if l == nil {
		if e.departed(now) && now.Sub(e.end()) > r.cfg.Retain {
			return false
		}
		l = &life{Entry: e, heard: now, proof: now}
		r.lives[id] = l
		r.changes++
		return true
	}
	if !e.supersedes(&l.Entry) {
		return false
	}
	if e.Down && !l.Down {
		r.counts.Deaths++
	}
	if !e.Down {
		l.doubted = time.Time{}
	}
	l.Entry = e
	r.changes++
	return true
}

// endFormerLives marks lives down whose node has started anew at the same
// address: two processes cannot have it.
func (r *Roster) endFormerLives(now time.Time) {
	for _, old := range r.lives {
		if old.departed(now) {
			continue
		}
		if old.Name == r.cfg.Name && old.Addr == r.cfg.Addr && old.Instance < r.cfg.Instance {
			r.markDown(now, old)
		}
		for _, young := range r.lives {
			if young.Name == old.Name && young.Addr == old.Addr && young.Instance > old.Instance {
				r.markDown(now, old)
				break
			}
		}
	}
}

// rival returns a living entry that has this node's name by right, or nil.
func (r *Roster) rival() *life {
	for _, l := range r.lives {
		if l.Name == r.cfg.Name && !l.Down && l.Until.IsZero() && l.Addr != r.cfg.Addr && l.before(&r.self) {
			return l
		}
	}
	return nil
}

// settleName withdraws this node if another process has its name by right.
func (r *Roster) settleName(now time.Time) {
	if r.stage == Left || r.stage == Displaced || r.rival() == nil {
		return
	}
	r.stage = Displaced
	r.changes++
	r.self.From, r.self.Until = time.Time{}, time.Time{}
	r.self.Seq++
}

// SetForeign says that a node without our metadata takes part, or no longer
// does.
func (r *Roster) SetForeign(now time.Time, name string, takesPart bool) {
	m, known := r.foreign[name]
	switch {
	case takesPart && (!known || !m.Until.IsZero()):
		r.foreign[name] = windowFrom(name, now)
		r.changes++
	case !takesPart && known && m.Until.IsZero():
		m.Until = round(now)
		r.foreign[name] = m
		r.changes++
	}
}

// forget drops what departed long ago. Below the quorum nothing is dropped:
// the deadline is reckoned from when the missing ones left.
func (r *Roster) forget(now time.Time) {
	if _, below := r.View().Below(now); below {
		return
	}
	for id, l := range r.lives {
		if l.departed(now) && now.Sub(later(l.end(), l.heard)) > r.cfg.Retain {
			delete(r.lives, id)
			r.changes++
		}
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
