package roster

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/script"
)

// Rosters decide as the texts in testdata say. Times are seconds from the
// beginning; ticks come every quarter of one. A command is:
//
//	meet a b            nodes that have served for an hour
//	hear a b            from now on these give pulses
//	ack a b             and these acknowledge
//	ready, leave        as the methods
//	fence 7.9 10        it was stopped after 7.9, and wakes at 10
//	doubt a             its lifeline broke and was refused
//	answer a dead       what a witness found; or alive
//	learn a 2 30 50     a says with Seq 2: From 30, Until 50; - is none
//	wait 12             until 12
//	view                stage and members
func TestRosterDecidesAsScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		s := &scene{t: t, Roster: me()}
		return s.do
	})
}

// A scene is a roster and who answers it.
type scene struct {
	*Roster
	t     *testing.T
	now   float64
	heard []string
	acked []string
}

func (s *scene) do(c script.Command) string {
	words := append(c.Words, "", "", "", "")
	now := at(s.now)
	switch words[0] {
	case "meet":
		for _, name := range c.Words[1:] {
			s.Learn(now, serving(name))
		}
	case "hear":
		s.heard = c.Words[1:]
		s.pulse(now, s.heard...)
	case "ack":
		s.acked = c.Words[1:]
	case "ready":
		s.Ready(now)
	case "leave":
		s.Leave(now)
	case "fence":
		s.now = s.seconds(words[2])
		s.Fence(at(s.now), at(s.seconds(words[1])))
	case "doubt":
		s.Doubt(now, words[1], idOf(words[1]))
	case "answer":
		s.Answered(now, words[1], idOf(words[1]), words[2] == "alive")
	case "learn":
		e := serving(words[1])
		seq, _ := strconv.Atoi(words[2])
		e.Seq, e.From, e.Until = uint32(seq), s.date(words[3]), s.date(words[4])
		s.Learn(now, e)
	case "wait":
		return s.wait(s.seconds(words[1]))
	case "view":
		return fmt.Sprintf("%s; %s\n", s.Stage(), s.members())
	default:
		s.t.Fatalf("unknown command %q", words[0])
	}
	return s.said()
}

// wait lets time pass.
func (s *scene) wait(until float64) (text string) {
	for s.now < until {
		s.now += 0.25
		s.pulse(at(s.now), s.heard...)
		s.ack(at(s.now), s.acked...)
		s.Tick(at(s.now))
		text += s.said()
	}
	return text
}

// said returns what the roster wants done since it was last asked.
func (s *scene) said() string {
	if did := s.did(); did != "" {
		return fmt.Sprintf("%g: %s\n", s.now, did)
	}
	return ""
}

func (s *scene) seconds(word string) float64 {
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *scene) date(word string) time.Time {
	if strings.Trim(word, "-") == "" {
		return time.Time{}
	}
	return at(s.seconds(word))
}
