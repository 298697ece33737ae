package roster

import "time"

// An Action is something that the roster wants done. The shell does it and
// reports the outcome with another call.
type Action struct {
	Do   Deed
	Peer string // whom to tell or to ask: a node's name
	Addr string // of Peer, host:port

	Entries  []Entry  // for Tell: what to tell
	Suspect  string   // for Ask: the node that may be dead
	Instance Instance // for Ask: the life of Suspect
}

// A Deed is a kind of Action.
type Deed uint8

// Deeds.
const (
	Announce    Deed = iota // put Self into the gossip metadata
	Tell                    // deliver Entries to Peer; report Acked, and Learn what it answers
	Ask                     // ask Peer whether it can reach Suspect; report Answered
	Sync                    // exchange all entries with Peer; report Learn
	Participate             // From has come: tell others' software that this node takes part
	Withdraw                // this node takes no part for now: tell others' software
	Terminate               // Until was announced and has come: tell others' software
	Depart                  // the last slot was served: finish and leave
	Note                    // never wanted by the roster: the kind of a Letter between components
	Has                     // nor this: asks whether a component on another node can do its share
)

// String returns the deed in one word.
func (d Deed) String() string {
	return [...]string{"announce", "tell", "ask", "sync", "participate", "withdraw", "terminate", "depart", "note", "has"}[d]
}

// A Death is one that became known here.
type Death struct {
	Name     string
	Instance Instance
	Proof    time.Time // latest proof of life, by the dead node's clock
	Known    time.Time // since when View is without it, by our clock
}

// Take returns the actions that became due and forgets them.
func (r *Roster) Take() []Action {
	list := r.actions
	r.actions = nil
	return list
}

// Deaths returns the deaths that became known since the last call.
func (r *Roster) Deaths() []Death {
	list := r.deaths
	r.deaths = nil
	return list
}

func (r *Roster) do(a Action) { r.actions = append(r.actions, a) }
