package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A state is what one frame of the demo shows. All counts are since the start,
// unless they say per second. How it is shown, as a line or as a screen, is a
// pure function of it.
type state struct {
	elapsed  time.Duration
	interval time.Duration // between scrapes of one target
	targets  int
	series   int // of all targets
	nodes    []nodeState

	served  int64         // slots in which a target was scraped
	planned slips         // slots that went wrong although nothing was killed
	crashed slips         // slots that went wrong because a node was killed
	hole    time.Duration // longest time between two scrapes of one target

	scraped   int64         // scrapes that the targets have answered
	delivered int64         // scrapes that the receiver has
	late      int64         // of those, that took long
	waiting   int64         // scrapes on their way or on a node's disk
	killed    int64         // scrapes that a killed node had not delivered
	lost      int64         // scrapes that are nowhere
	rate      float64       // samples per second that the receiver takes
	lag       time.Duration // of half of the delivered scrapes at most

	down   bool // the receiver refuses everything
	events []event
}

// slips counts slots that were not served by exactly one node.
type slips struct{ missed, doubled int64 }

// A nodeState is one node.
type nodeState struct {
	name, stage string
	page        string // host:port

	answers bool // what follows is known
	targets int  // that it serves
	samples float64
	backlog int64   // samples that were not delivered yet
	rss     uint64  // bytes
	cpu     float64 // cores
}

// line returns the state in one line, for output that is no terminal: a script
// finds each number after its name and an equals sign.
func (s state) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4.0fs  nodes=%d targets=%d series=%d", s.elapsed.Seconds(), len(s.nodes), s.targets, s.series)
	fmt.Fprintf(&b, " served=%d missed=%d doubled=%d kill_missed=%d kill_doubled=%d hole=%.1fs",
		s.served, s.planned.missed, s.planned.doubled, s.crashed.missed, s.crashed.doubled, s.hole.Seconds())
	fmt.Fprintf(&b, " scraped=%d delivered=%d waiting=%d late=%d killed=%d lost=%d receiver=%s samples_per_second=%.0f",
		s.scraped, s.delivered, s.waiting, s.late, s.killed, s.lost, s.receiver(), s.rate)
	for _, n := range s.nodes {
		fmt.Fprintf(&b, " %s{stage=%s targets=%d samples_per_second=%.0f backlog=%d rss_mb=%.1f cpu=%.2f}",
			n.name, n.stage, n.targets, n.samples, n.backlog, megabytes(n.rss), n.cpu)
	}
	return b.String()
}

// summary returns the last line of the demo.
func (s state) summary() string {
	text := fmt.Sprintf("%s slots of %d targets in %s: %d missed, %d doubled. %s scrapes: %s delivered, %s late, %s lost.",
		grouped(s.served+s.planned.missed+s.crashed.missed), s.targets, s.elapsed.Round(time.Second), s.planned.missed, s.planned.doubled,
		grouped(s.scraped), grouped(s.delivered), grouped(s.late), grouped(s.lost))
	if s.killed > 0 || s.crashed != (slips{}) {
		text += fmt.Sprintf("\nBecause of killed nodes: %d slots missed, %d doubled, %s scrapes not delivered.",
			s.crashed.missed, s.crashed.doubled, grouped(s.killed))
	}
	return text
}

// verdict returns what divvy has promised and not kept, or nil.
func (s state) verdict() error {
	var errs []error
	if s.lost > 0 {
		errs = append(errs, fmt.Errorf("%d scrapes are lost", s.lost))
	}
	if s.planned != (slips{}) {
		errs = append(errs, fmt.Errorf("%d slots were missed and %d doubled although no node was killed", s.planned.missed, s.planned.doubled))
	}
	return errors.Join(errs...)
}

// receiver says how the receiver is.
func (s state) receiver() string {
	if s.down {
		return "down"
	}
	return "up"
}

// screen returns the state as lines of a terminal with that many rows. The blank
// ones go first if there are too few, then what happened longest ago.
func (s state) screen(rows int) []string {
	parts := [][]string{s.head(), s.nodeLines(), s.slotLines(), s.scrapeLines(), {s.receiverLine()}}
	const foot = "  a add a node   s stop the youngest   k kill the oldest   r receiver   q quit"
	used := 2 // the title of what happened, and the foot
	for _, p := range parts {
		used += len(p)
	}
	blanks := len(parts) + 1
	const enough = 4 // events that matter more than blank lines
	spaced := rows-used-blanks >= enough
	if spaced {
		used += blanks
	}
	parts = append(parts, s.eventLines(max(2, rows-used)), []string{foot})
	var lines []string
	for i, p := range parts {
		if i > 0 && spaced {
			lines = append(lines, "")
		}
		lines = append(lines, p...)
	}
	return lines
}

// head says what there is, and where a browser shows it: at any node, so at the
// first that answers.
func (s state) head() []string {
	lines := []string{fmt.Sprintf("  divvy demo %s   %d targets; each is due every %s at one node: a slot",
		s.elapsed.Round(time.Second), s.targets, s.interval)}
	for _, n := range s.nodes {
		if n.answers {
			return append(lines, "  in a browser: "+pageURL(n.page)+"   any node answers for all")
		}
	}
	return append(lines, "  no node answers yet that a browser could ask")
}

// pageURL returns where the node at an address shows the whole fleet.
func pageURL(addr string) string { return "http://" + addr + "/clustering" }

// nodeLines is a table of the nodes.
func (s state) nodeLines() []string {
	lines := []string{"  node   stage     targets samples/s   backlog   memory  cpu"}
	for _, n := range s.nodes {
		line := fmt.Sprintf("  %-6s %-9s", n.name, n.stage)
		if n.answers {
			line += fmt.Sprintf("%8d %9s %9s %5.1f MB %2.0f %%  ", n.targets, grouped(int64(n.samples)), grouped(n.backlog), megabytes(n.rss), 100*n.cpu)
		} else {
			line += fmt.Sprintf("%8s %9s %9s %8s %4s  ", "-", "-", "-", "-", "-")
		}
		lines = append(lines, line+n.meaning())
	}
	return lines
}

// meaning says what a node does in its stage; of one that serves, where its page
// is.
func (n nodeState) meaning() string {
	text, ok := map[string]string{
		"starting":  "begins",
		"viewing":   "finds the others",
		"joining":   "serves from an instant that all know",
		"leaving":   "serves until an instant that all know",
		"left":      "delivers the rest, and ends",
		"killed":    "a starts it again, with what is on its disk",
		"ended":     "ended",
		"fenced":    "was stopped too long to be sure; joins again",
		"displaced": "another node has its name",
	}[n.stage]
	if !ok {
		return n.page
	}
	return text
}

// slotLines say whether each slot was served by exactly one node.
func (s state) slotLines() []string {
	slip := func(many, by int64, who string) string {
		text := who
		if many > 0 {
			text += " WITHOUT A KILL"
		}
		if by > 0 {
			text += fmt.Sprintf("; %s more while a kill was noticed", grouped(by))
		}
		return text
	}
	return []string{
		fmt.Sprintf("  slots    served  %9s   one node came to the target", grouped(s.served)),
		fmt.Sprintf("           missed  %9s   %s", grouped(s.planned.missed), slip(s.planned.missed, s.crashed.missed, "no node came")),
		fmt.Sprintf("           doubled %9s   %s", grouped(s.planned.doubled), slip(s.planned.doubled, s.crashed.doubled, "two nodes came")),
		fmt.Sprintf("           hole    %8.1fs   longest time between two scrapes of a target", s.hole.Seconds()),
	}
}

// scrapeLines say where the scrapes are that were made.
func (s state) scrapeLines() []string {
	lost := "each has arrived, is on its way or on a disk"
	if s.lost > 0 {
		lost = "MISSING"
	}
	return []string{
		fmt.Sprintf("  scrapes  made    %9s   answered by a target, which numbers them", grouped(s.scraped)),
		fmt.Sprintf("           arrived %9s   half of them within %s; now %s samples/s", grouped(s.delivered), s.lag, grouped(int64(s.rate))),
		fmt.Sprintf("           waiting %9s   %s", grouped(s.waiting), s.wait()),
		fmt.Sprintf("           late    %9s   arrived more than %s after they were made", grouped(s.late), lateAfter),
		fmt.Sprintf("           killed  %9s   on a killed node's disk; its last 1/4 s is gone", grouped(s.killed)),
		fmt.Sprintf("           lost    %9s   %s", grouped(s.lost), lost),
	}
}

// wait explains the scrapes that wait.
func (s state) wait() string {
	if s.waiting <= int64(s.targets) {
		return "on their way"
	}
	return bar(s.waiting, s.scraped) + " on the nodes' disks"
}

// receiverLine says how the receiver is, and what can be done about it.
func (s state) receiverLine() string {
	if s.down {
		return "  receiver down   answers 503; samples wait on disks. r brings it back"
	}
	return "  receiver up     r takes it down, and nothing is lost"
}

// eventLines are the last things that happened, latest first: at most so many.
func (s state) eventLines(most int) []string {
	lines := []string{"  what happened last"}
	for i := len(s.events) - 1; i >= 0 && len(lines) <= most; i-- {
		lines = append(lines, s.events[i].String())
	}
	return lines
}

// String returns e as a line.
func (e event) String() string {
	return fmt.Sprintf("  %6s  %-8s %s", e.at.Round(time.Second), e.node, e.text)
}

// bar draws part of whole, at most 25 wide.
func bar(part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return ""
	}
	return strings.Repeat("▇", int(min(25, 1+25*part/whole)))
}

// megabytes returns bytes in MB of a million bytes.
func megabytes(bytes uint64) float64 { return float64(bytes) / 1e6 }

// grouped returns n with commas between groups of three digits.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	var out []byte
	for i, c := range []byte(digits) {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			out = append(out, ',')
		}
		out = append(out, c)
	}
	return string(out)
}
