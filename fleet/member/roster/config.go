package roster

import "time"

// SetConfig says that another configuration runs, with that hash. Peers are
// told as of a change of dates; the dates stay.
func (r *Roster) SetConfig(now time.Time, hash uint64) {
	if r.self.Config == hash {
		return
	}
	r.self.Config = hash
	switch r.stage {
	case Left:
	case Displaced:
		r.self.Seq++ // the gossip knows nodes by their names, and this one is another's
		r.resend(now)
	default:
		r.announce(now)
	}
}
