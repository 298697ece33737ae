package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A Node takes part at the start, or comes by an event.
type Node struct {
	Name string `json:"name"`

	// Capacity is the node's fair share of the load, as a multiple of the
	// others'; 0 is 1. Shares of work are judged by it; it moves no target.
	Capacity float64 `json:"capacity,omitempty"`
}

// A Target is what is shared out.
type Target struct {
	Name     string
	Key      owner.Key
	Interval time.Duration // between two slots; positive
	Samples  float64       // of one scrape; 0: not known
}

// A Deed is what happens to a node.
type Deed string

// Deeds. A restart is a Leave and a Join.
const (
	Join   Deed = "join"
	Leave  Deed = "leave"
	Kill   Deed = "kill"
	Vanish Deed = "vanish"
)

// An Event is what happens when, since the start.
type Event struct {
	At   time.Duration `json:"at"`
	Do   Deed          `json:"do"`
	Node string        `json:"node"`

	Capacity float64 `json:"capacity,omitempty"` // of a node that joins; 0: what it was, or 1
}

// Timings are how fast nodes are. Zero durations take the defaults, which are
// those of the roster and the lifelines.
type Timings struct {
	Lead     time.Duration // between an announcement and its date; 5 s
	Proof    time.Duration // age of a dead node's last proof of life; 500 ms
	Killed   time.Duration // until a process that was killed is known to be dead; 1 s
	Vanished time.Duration // until a host that is gone is; 3.5 s
}

func (t Timings) defaulted() Timings {
	return Timings{
		Lead:     cmp.Or(t.Lead, 5*time.Second),
		Proof:    cmp.Or(t.Proof, 500*time.Millisecond),
		Killed:   cmp.Or(t.Killed, time.Second),
		Vanished: cmp.Or(t.Vanished, 3500*time.Millisecond),
	}
}

// Config is what is played.
type Config struct {
	Nodes   []Node // that serve at the start
	Targets []Target
	Events  []Event // in any order
	Timings Timings
}

// A Result is how the work is divided at the start, and what each event does.
type Result struct {
	Start Division `json:"start"`
	Steps []Step   `json:"steps"`
}

// A Step is what one event does.
type Step struct {
	Event
	Settled time.Duration `json:"settled"` // when it is over: the announced date, or when the death is known
	Moved   int           `json:"moved"`   // targets that changed hands
	Moves   []Move        `json:"moves"`   // the largest first
	Late    int           `json:"late"`    // slots, as are those below
	Missed  int           `json:"missed"`
	Doubled int           `json:"doubled"`
	After   Division      `json:"after"`
}

// A Move is targets that go from a node to another. An empty name is nobody.
type Move struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Targets int    `json:"targets"`
}

// Run plays the events. It returns everything that is wrong with cfg.
func Run(cfg Config) (Result, error) {
	cfg.Timings = cfg.Timings.defaulted()
	cfg.Events = slices.Clone(cfg.Events)
	slices.SortStableFunc(cfg.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	if err := cfg.validate(); err != nil {
		return Result{}, err
	}
	w, err := newWorld(&cfg)
	if err != nil {
		return Result{}, err
	}
	nodes := slices.Clone(cfg.Nodes)
	capacity := map[string]float64{}
	for _, n := range nodes {
		capacity[n.Name] = n.Capacity
	}
	owners := ownersOf(nodes, cfg.Targets)
	result := Result{Start: divide(nodes, cfg.Targets, owners)}
	for i, e := range cfg.Events {
		capacity[e.Node] = cmp.Or(e.Capacity, capacity[e.Node])
		nodes = apply(nodes, e, capacity)
		before := owners
		owners = ownersOf(nodes, cfg.Targets)
		step := Step{Event: e, Settled: w.settled[i].Sub(start), After: divide(nodes, cfg.Targets, owners)}
		step.Moves = movesOf(before, owners)
		for _, m := range step.Moves {
			step.Moved += m.Targets
		}
		result.Steps = append(result.Steps, step)
	}
	w.countSlots(result.Steps)
	return result, nil
}

// validate returns everything that is wrong with the nodes and targets.
func (c *Config) validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		switch {
		case n.Name == "":
			errs = append(errs, errors.New("a node has no name"))
		case seen[n.Name]:
			errs = append(errs, fmt.Errorf("node %s is there twice", n.Name))
		}
		if n.Capacity < 0 {
			errs = append(errs, fmt.Errorf("capacity of node %s is negative", n.Name))
		}
		seen[n.Name] = true
	}
	if len(c.Nodes) == 0 {
		errs = append(errs, errors.New("there are no nodes"))
	}
	for _, e := range c.Events {
		if e.Capacity < 0 {
			errs = append(errs, fmt.Errorf("capacity of node %s is negative", e.Node))
		}
	}
	for _, t := range c.Targets {
		if t.Interval <= 0 {
			errs = append(errs, fmt.Errorf("interval of target %s is not positive", t.Name))
		}
	}
	return errors.Join(errs...)
}

// apply returns the nodes that take part once e is over.
func apply(nodes []Node, e Event, capacity map[string]float64) []Node {
	rest := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.Name == e.Node })
	if e.Do == Join {
		rest = append(rest, Node{Name: e.Node, Capacity: capacity[e.Node]})
	}
	return rest
}

// ownersOf returns the owner of each target among nodes when nothing changes;
// "" where there is none.
func ownersOf(nodes []Node, targets []Target) []string {
	members := make([]owner.Member, len(nodes))
	for i, n := range nodes {
		members[i].Name = n.Name
	}
	view := owner.NewView(members...)
	owners := make([]string, len(targets))
	for i, t := range targets {
		m, _ := view.Owner(t.Key, start)
		owners[i] = m.Name
	}
	return owners
}

// movesOf returns who took how many targets over from whom.
func movesOf(before, after []string) []Move {
	counts := map[[2]string]int{}
	for i := range before {
		if before[i] != after[i] {
			counts[[2]string{before[i], after[i]}]++
		}
	}
	moves := make([]Move, 0, len(counts))
	for pair, n := range counts {
		moves = append(moves, Move{From: pair[0], To: pair[1], Targets: n})
	}
	slices.SortFunc(moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(b.Targets, a.Targets), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return moves
}
