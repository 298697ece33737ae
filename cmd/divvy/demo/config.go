package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxNodes bounds the processes of a demo; ten fit on a laptop.
const maxNodes = 10

// Config says what a demo shows. Every field is needed but Duration and Script.
type Config struct {
	Divvy    string // path of the program whose run command is a node
	Nodes    int    // to begin with
	Targets  int
	Series   int           // per target
	Interval time.Duration // between two scrapes of a target
	Duration time.Duration // 0: until it is ended
	Script   Script        // what is done without a key being pressed
}

// Validate returns what is wrong with c, or nil. It names flags.
func (c *Config) Validate() error {
	var errs []error
	refuse := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(c.Nodes < 1 || c.Nodes > maxNodes, fmt.Sprintf("--nodes %d is not between 1 and %d", c.Nodes, maxNodes))
	refuse(c.Targets < 1, "--targets: the demo needs at least one target")
	refuse(c.Series < 1, "--series: a target needs at least one series")
	refuse(c.Interval < 500*time.Millisecond, fmt.Sprintf("--interval %s is shorter than 500ms", c.Interval))
	refuse(c.Duration < 0, fmt.Sprintf("--duration %s is negative", c.Duration))
	return errors.Join(errs...)
}

// An Action is something that happens to the cluster or the receiver.
type Action string

// What there is to be done. The first letter is its key.
const (
	Add      Action = "add"      // a node is added, or a killed one started again
	Stop     Action = "stop"     // the youngest node is asked to stop
	Kill     Action = "kill"     // the oldest node is killed
	Receiver Action = "receiver" // the receiver is taken down, or brought back
)

// actions are all of them.
var actions = [...]Action{Add, Stop, Kill, Receiver}

// A Step is an action and when it is taken, after the start.
type Step struct {
	At time.Duration
	Do Action
}

// A Script is what is done by and by, ordered by time. As a flag it is
// "5s:add,12s:stop,20s:kill".
type Script []Step

// String returns s as the flag spells it.
func (s *Script) String() string {
	var words []string
	for _, step := range *s {
		words = append(words, fmt.Sprintf("%s:%s", step.At, step.Do))
	}
	return strings.Join(words, ",")
}

// Type names the kind of value in the help text.
func (s *Script) Type() string { return "script" }

// Set takes the steps that text lists, in any order.
func (s *Script) Set(text string) error {
	var steps Script
	for word := range strings.SplitSeq(text, ",") {
		at, do, ok := strings.Cut(strings.TrimSpace(word), ":")
		if !ok {
			return fmt.Errorf("%q is not TIME:ACTION, such as 5s:add", word)
		}
		after, err := time.ParseDuration(at)
		if err != nil || after < 0 {
			return fmt.Errorf("%q is no time after the start, such as 5s", at)
		}
		if !slices.Contains(actions[:], Action(do)) {
			return fmt.Errorf("%q is none of %s, %s, %s, %s", do, Add, Stop, Kill, Receiver)
		}
		steps = append(steps, Step{after, Action(do)})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	*s = steps
	return nil
}
