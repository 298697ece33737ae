package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A History is weather and what happens in it. Steps that make no sense where
// they stand, such as killing who does not run, do nothing; so any part of a
// History is one too.
type History struct {
	Config Config
	Nodes  int // that run and are settled when it begins
	Steps  []Step
}

// A Step is one thing that happens.
type Step struct {
	Do   Deed
	Node string        // host: start, usurp, leave, kill, vanish, pause; several, with commas: cut, mute
	For  time.Duration // wait, pause
}

// A Deed says what happens in a Step.
type Deed string

// Deeds.
const (
	Start  Deed = "start"  // a node joins, or comes back after it was stopped
	Usurp  Deed = "usurp"  // a process on another host takes the node's name
	Leave  Deed = "leave"  // SIGTERM
	Kill   Deed = "kill"   // SIGKILL; its connections are reset
	Vanish Deed = "vanish" // the host is gone; nothing answers
	Pause  Deed = "pause"  // SIGSTOP, and SIGCONT later
	Cut    Deed = "cut"    // the nodes and all others do not hear each other
	Mute   Deed = "mute"   // the others do not hear the nodes
	Heal   Deed = "heal"   // ends cuts
	Wait   Deed = "wait"   // time passes
	Settle Deed = "settle" // cuts end, and time passes until the laws of a settled cluster hold
)

// settling is how long a cluster may take to see itself as one again.
const settling = 40 * time.Second

// String returns the history as text that ParseHistory reads.
func (h History) String() string {
	var b strings.Builder
	c := h.Config
	fmt.Fprintf(&b, "seed %d nodes %d delay %s loss %g skew %s keys %d interval %s\n", c.Seed, h.Nodes, c.Delay, c.Loss, c.Skew, c.Keys, c.Interval)
	for _, s := range h.Steps {
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

func (s Step) String() string {
	text := string(s.Do)
	if s.Node != "" {
		text += " " + s.Node
	}
	if s.For > 0 {
		text += " " + s.For.String()
	}
	return text
}

var deeds = []Deed{Start, Usurp, Leave, Kill, Vanish, Pause, Cut, Mute, Heal, Wait, Settle}

// ParseHistory reads the text of a History. Lines that begin with # are
// comments.
func ParseHistory(text string) (History, error) {
	var h History
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if h.Nodes == 0 {
			c, delay, skew, interval := &h.Config, "", "", ""
			if _, err := fmt.Sscanf(line, "seed %d nodes %d delay %s loss %g skew %s keys %d interval %s", &c.Seed, &h.Nodes, &delay, &c.Loss, &skew, &c.Keys, &interval); err != nil {
				return History{}, fmt.Errorf("read %q: %w", line, err)
			}
			for text, d := range map[string]*time.Duration{delay: &c.Delay, skew: &c.Skew, interval: &c.Interval} {
				*d, _ = time.ParseDuration(text)
			}
			continue
		}
		s := Step{}
		for i, word := range strings.Fields(line) {
			d, err := time.ParseDuration(word)
			switch {
			case i == 0:
				s.Do = Deed(word)
			case err == nil:
				s.For = d
			default:
				s.Node = word
			}
		}
		if !slices.Contains(deeds, s.Do) {
			return History{}, fmt.Errorf("read %q: no such deed", line)
		}
		h.Steps = append(h.Steps, s)
	}
	if h.Nodes == 0 {
		return History{}, errors.New("read history: it is empty")
	}
	return h, nil
}

// RandomHistory draws a history of n nodes and some steps. In between it
// settles.
func RandomHistory(c Config, nodes, steps int) History {
	rnd := rand.New(rand.NewPCG(c.Seed, 2))
	h := History{Config: c, Nodes: nodes}
	node := func() string { return fmt.Sprintf("node-%d", rnd.IntN(nodes+2)) }
	for len(h.Steps) < steps {
		for range 1 + rnd.IntN(3) {
			s := Step{Do: drawDeed(rnd), Node: node()}
			switch s.Do {
			case Pause:
				s.For = pauseOf(rnd)
			case Cut, Mute:
				for range rnd.IntN(nodes) {
					s.Node += "," + node()
				}
			}
			h.Steps = append(h.Steps, s, Step{Do: Wait, For: time.Duration(rnd.IntN(80)) * 100 * time.Millisecond})
		}
		h.Steps = append(h.Steps, Step{Do: Settle})
	}
	return h
}

// pauseOf draws the length of a pause, up to two minutes: mostly about as long
// as a process may be stopped unnoticed, by itself or by others.
func pauseOf(rnd *rand.Rand) time.Duration {
	switch rnd.IntN(4) {
	case 0:
		return time.Duration(500+rnd.IntN(1500)) * time.Millisecond
	case 1, 2:
		return time.Duration(1400+rnd.IntN(3600)) * time.Millisecond
	default:
		return time.Duration(5000+rnd.IntN(115_000)) * time.Millisecond
	}
}

// drawDeed draws what happens: mostly what happens mostly.
func drawDeed(rnd *rand.Rand) Deed {
	list := []Deed{Start, Start, Start, Leave, Leave, Leave, Kill, Kill, Vanish, Pause, Cut, Mute, Usurp}
	return list[rnd.IntN(len(list))]
}

// Shrink returns a part of h that still fails, from which no single step can
// be taken away.
func Shrink(h History, fails func(History) bool) History {
	for at := 0; at < len(h.Steps); {
		less := h
		less.Steps = slices.Delete(slices.Clone(h.Steps), at, at+1)
		if fails(less) {
			h, at = less, 0
			continue
		}
		at++
	}
	return h
}
