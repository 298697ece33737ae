package roster

import (
	"slices"
	"time"
)

// How many lives are remembered beyond their time in the View, and for how
// long: about as long as a machine may sleep.
const (
	maxGraves = 4096
	keepGrave = 24 * time.Hour
)

// A grave is a life that is over and no longer in the View. A node that slept
// meanwhile, or was cut off, still holds it for alive: what is over stays over.
type grave struct {
	Entry
	dug time.Time
}

// bury remembers lives that View forgets. The oldest graves give way.
func (r *Roster) bury(now time.Time, over []*life) {
	for _, l := range over {
		r.graves = append(r.graves, grave{Entry: l.Entry, dug: now})
	}
	r.graves = slices.Delete(r.graves, 0, max(len(r.graves)-maxGraves, 0))
	old := 0
	for old < len(r.graves) && now.Sub(r.graves[old].dug) > keepGrave {
		old++
	}
	r.graves = slices.Delete(r.graves, 0, old)
}

// recall returns the newest that is known of a life which View does not have,
// and of which e was said: that, or how it ended. The latter goes back among
// the lives for a while, so that who said e hears of it.
//
// The end that a node announced itself is certain. Others may have found it
// dead without reason, so that counts only if a later life has its name.
func (r *Roster) recall(e Entry) Entry {
	i := slices.IndexFunc(r.graves, func(g grave) bool { return g.Instance == e.Instance && g.Name == e.Name })
	if i < 0 {
		return e
	}
	g := r.graves[i].Entry
	r.graves = slices.Delete(r.graves, i, i+1)
	if g.supersedes(&e) && (!g.Until.IsZero() || r.succeeded(&g)) {
		return g
	}
	return e
}

// succeeded reports whether a later life has the name of e.
func (r *Roster) succeeded(e *Entry) bool {
	follows := func(o *Entry) bool { return o.Name == e.Name && o.Instance > e.Instance && o.claims() }
	return follows(&r.self) || slices.ContainsFunc(r.named(e.Name), func(l *life) bool { return follows(&l.Entry) })
}
