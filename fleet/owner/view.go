package owner

import "time"

// A View is who takes part in the cluster, and when. It is an immutable value;
// a change makes another View. The zero View has no members and no owners.
type View struct {
	members []Member
}

// A Member is one node during one life of its process.
type Member struct {
	Name  string    // unique in the cluster
	From  time.Time // serves slots at or after From; zero: since ever
	Until time.Time // serves slots before Until; zero: no end is known
}

// Alone returns the View of a node that is a cluster of one.
func Alone(name string) View { return View{members: []Member{{Name: name}}} }

// Members returns the members, by name.
func (v View) Members() []Member { return v.members }

// Owner returns the member that serves key's slot at t, or false if nobody
// does.
func (v View) Owner(key Key, t time.Time) (Member, bool) {
	for _, m := range v.members {
		if m.serves(t) {
			return m, true
		}
	}
	return Member{}, false
}

// serves reports whether t is in the member's window.
func (m Member) serves(t time.Time) bool {
	return !t.Before(m.From) && (m.Until.IsZero() || t.Before(m.Until))
}
