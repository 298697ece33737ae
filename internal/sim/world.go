// Package sim plays histories of a cluster: many nodes, each with a real
// roster.Roster and real owner arithmetic, over a modelled network with delays,
// losses, partitions and skewed clocks, in virtual time. Everything is drawn
// from one seed, so a failure is repeated by its seed.
//
// What is modelled: delivery of messages, detection of failures (lifelines and
// the gossip's suspicion), and the clock that asks at each slot who owns it.
// What is real: every decision.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Config describes the weather of a World and the work that is shared out.
type Config struct {
	Seed     uint64
	Delay    time.Duration // greatest delay of a message; each draws its own
	Loss     float64       // part of the messages that is lost
	Skew     time.Duration // greatest offset of a node's clock
	Keys     int           // targets
	Interval time.Duration // between two slots of a target
	Quorum   owner.Quorum
}

// A World is a cluster in virtual time.
type World struct {
	cfg    Config
	rnd    *rand.Rand
	start  time.Time
	now    time.Time
	events events
	serial int
	nodes  []*Node // every life that there was
	byName map[string]*Node
	cut    func(a, b string) bool // whether messages from a to b are lost
	keys   []owner.Key
	served map[slot][]serve
}

type slot struct {
	key  owner.Key
	time int64 // Unix ns
}

// A serve is one time that a slot was served.
type serve struct {
	node *Node
	at   time.Time
}

// New returns a world without nodes.
func New(cfg Config) *World {
	w := &World{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 1)),
		start:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		byName: map[string]*Node{},
		cut:    func(a, b string) bool { return false },
		served: map[slot][]serve{},
	}
	w.now = w.start
	for range cfg.Keys {
		w.keys = append(w.keys, owner.Key(w.rnd.Uint64()))
	}
	return w
}

// Now returns the world's time since its start.
func (w *World) Now() time.Duration { return w.now.Sub(w.start) }

// Run lets d pass.
func (w *World) Run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// after does f in d.
func (w *World) after(d time.Duration, f func()) {
	w.serial++
	heap.Push(&w.events, event{at: w.now.Add(max(d, 0)), serial: w.serial, do: f})
}

// send does f at node to unless the message is lost on the way from node from.
func (w *World) send(from, to *Node, f func()) {
	if to == nil || w.cut(from.Name, to.Name) || w.rnd.Float64() < w.cfg.Loss {
		return
	}
	w.after(w.delay(), func() {
		if to.running() {
			f()
			to.act()
		}
	})
}

func (w *World) delay() time.Duration {
	if w.cfg.Delay <= 0 {
		return 0
	}
	return time.Duration(w.rnd.Int64N(int64(w.cfg.Delay)))
}

// Cut loses every message from a to b for which f is true; nil heals.
func (w *World) Cut(f func(a, b string) bool) {
	if f == nil {
		f = func(a, b string) bool { return false }
	}
	w.cut = f
}

// Node returns the youngest life of a name.
func (w *World) Node(name string) *Node { return w.byName[name] }

// Alive returns the nodes that run, in the order of their start.
func (w *World) Alive() []*Node {
	var list []*Node
	for _, n := range w.nodes {
		if n.alive {
			list = append(list, n)
		}
	}
	return list
}

// A Tally is what became of the slots of a stretch of time.
type Tally struct {
	Slots, Missed, Doubled, Late int
	Hole                         time.Duration // longest time between two serves of a key
}

func (t Tally) String() string {
	return fmt.Sprintf("%d slots: %d missed, %d doubled, %d late, longest hole %s", t.Slots, t.Missed, t.Doubled, t.Late, t.Hole)
}

// Tally counts the slots between two times since the start.
func (w *World) Tally(from, to time.Duration) Tally {
	var t Tally
	for _, key := range w.keys {
		last := w.start.Add(from)
		for s := owner.NextSlot(key, w.cfg.Interval, w.start.Add(from)); s.Before(w.start.Add(to)); s = s.Add(w.cfg.Interval) {
			t.Slots++
			serves := w.served[slot{key, s.UnixNano()}]
			if len(serves) == 0 {
				t.Missed++
				continue
			}
			if len(serves) > 1 {
				t.Doubled++
			}
			if serves[0].at.Sub(s) > 250*time.Millisecond+w.cfg.Skew {
				t.Late++
			}
			if at := serves[0].at; at.After(last) {
				t.Hole = max(t.Hole, at.Sub(last))
				last = at
			}
		}
	}
	return t
}

// Agreed reports whether every running node that serves names the same owner
// of every key, and somebody owns it.
func (w *World) Agreed() bool {
	for _, key := range w.keys {
		name := ""
		for _, n := range w.Alive() {
			m, ok := n.roster.View().Owner(key, n.clock())
			if !ok || name != "" && m.Name != name {
				return false
			}
			name = m.Name
		}
	}
	return true
}

// An event is something that happens at a time.
type event struct {
	at     time.Time
	serial int // keeps events of one instant in order
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push and Pop complete heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}
