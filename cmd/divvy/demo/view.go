package main

import (
	"fmt"
	"strings"
	"time"
)

// A demoState is what one frame of the demo shows. All counts are since the
// start, unless they say per second. How it is shown, as a line or as a screen,
// is a pure function of it.
type demoState struct {
	elapsed  time.Duration
	nodes    []nodeState
	targets  int
	series   int           // of all targets
	interval time.Duration // between scrapes of one target

	scraped   int64   // scrapes that the targets have answered
	delivered int64   // scrapes that the receiver has
	late      int64   // of those, that took long
	waiting   int64   // scrapes on their way or on the collector's disk
	lost      int64   // scrapes that are nowhere
	rate      float64 // samples per second that the receiver takes
	lag       time.Duration
	down      bool // the receiver refuses everything
	config    string
	page      string // URL of the collector's page
}

// A nodeState is one collector.
type nodeState struct {
	name    string
	rss     uint64  // bytes
	cpu     float64 // cores
	backlog int64   // samples on disk or in memory that were not delivered yet
}

// line returns the state in one line, for output that is no terminal: a script
// finds each number after its name and an equals sign.
func (d demoState) line() string {
	line := fmt.Sprintf("%4.0fs  targets=%d series=%d samples_per_second=%.0f scraped=%d delivered=%d waiting=%d late=%d lost=%d receiver=%s",
		d.elapsed.Seconds(), d.targets, d.series, d.rate, d.scraped, d.delivered, d.waiting, d.late, d.lost, d.receiver())
	for _, n := range d.nodes {
		line += fmt.Sprintf(" %s{backlog=%d rss_mb=%.1f cpu=%.2f}", n.name, n.backlog, megabytes(n.rss), n.cpu)
	}
	return line
}

// receiver says how the receiver is.
func (d demoState) receiver() string {
	if d.down {
		return "down"
	}
	return "up"
}

// screen returns the state as lines of a terminal.
func (d demoState) screen() []string {
	lines := []string{
		fmt.Sprintf("  divvy demo   %s", d.elapsed.Round(time.Second)),
		"",
		fmt.Sprintf("  targets   %9s   %s series, scraped every %s", grouped(int64(d.targets)), grouped(int64(d.series)), d.interval),
		fmt.Sprintf("  samples   %9s   per second arrive at the receiver", grouped(int64(d.rate))),
		"",
		"  scrapes",
		fmt.Sprintf("    made      %9s", grouped(d.scraped)),
		fmt.Sprintf("    delivered %9s   half of them within %s", grouped(d.delivered), d.lag),
		fmt.Sprintf("    waiting   %9s   %s", grouped(d.waiting), bar(d.waiting, d.scraped)),
		fmt.Sprintf("    late      %9s   arrived more than %s after they were made", grouped(d.late), demoLate),
		fmt.Sprintf("    lost      %9s   %s", grouped(d.lost), d.verdict()),
		"",
		fmt.Sprintf("  receiver  %9s   %s", d.receiver(), d.advice()),
		"",
	}
	for _, n := range d.nodes {
		lines = append(lines, fmt.Sprintf("  %-9s backlog %s samples; %.1f MB and %.0f %% of a core, with targets and receiver",
			n.name, grouped(n.backlog), megabytes(n.rss), 100*n.cpu))
	}
	return append(lines, "",
		"  config  "+d.config,
		"  page    "+d.page,
		"",
		"  q quit   r take the receiver down, or bring it back")
}

// verdict says what the number of lost scrapes means.
func (d demoState) verdict() string {
	if d.lost == 0 {
		return "every scrape has arrived or is safe on disk"
	}
	return "MISSING"
}

// advice says what to look at.
func (d demoState) advice() string {
	switch {
	case d.down:
		return "answers 503; scrapes wait on disk. Press r to bring it back"
	case d.waiting > int64(2*d.targets):
		return "takes what was waiting"
	}
	return "press r to take it down, and see that nothing is lost"
}

// bar draws part of whole, at most 30 wide.
func bar(part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return ""
	}
	return strings.Repeat("▇", int(min(30, 1+30*part/whole)))
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
