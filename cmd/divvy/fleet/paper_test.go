package fleet

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// written returns what a table looks like on a terminal that wide.
func written(columns int, colours bool) string {
	t := table{columns: []column{{title: "NAME", least: 4}, {title: "NONE"}, {title: "N", right: true}, {title: "TEXT", least: 6}}}
	t.add(cell{text: "short"}, cell{}, cell{text: "1"}, cell{text: "a text that is long", tone: bad})
	t.add(cell{text: "a-longer-name"}, cell{}, cell{text: "1,000"}, cell{text: "ü"})
	var b bytes.Buffer
	t.write(paper{w: &b, columns: columns, colours: colours})
	return b.String()
}

func TestTableIsCutToTheTerminalAndNotInAPipe(t *testing.T) {
	f := func(columns int, want string) {
		t.Helper()
		if got := written(columns, false); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
	whole := "NAME               N  TEXT\nshort              1  a text that is long\na-longer-name  1,000  ü\n"
	f(0, whole)
	f(100, whole)
	f(35, "NAME               N  TEXT\nshort              1  a text that …\na-longer-name  1,000  ü\n")
	f(20, "NAME       N  TEXT\nshort      1  a tex…\na-lo…  1,000  ü\n")
	f(1, "NAME      N  TEXT\nsho…      1  a tex…\na-l…  1,000  ü\n")
}

func TestCutKeepsWhatSaysMore(t *testing.T) {
	f := func(tail bool, columns int, want string) {
		t.Helper()
		if got := cut("prometheus.scrape.äpps", columns, tail); got != want {
			t.Errorf("cut to %d, tail %t: %q; want %q", columns, tail, got, want)
		}
	}
	f(false, 22, "prometheus.scrape.äpps")
	f(true, 22, "prometheus.scrape.äpps")
	f(false, 12, "prometheus.…")
	f(true, 12, "…scrape.äpps")
	f(true, 1, "…")
	f(false, 1, "…")
}

// Colours take no room: without them the table is the same.
func TestColoursTakeNoRoom(t *testing.T) {
	got := written(35, true)
	for _, code := range codes {
		got = strings.ReplaceAll(got, code, "")
	}
	if got = strings.ReplaceAll(got, "\x1b[0m", ""); got != written(35, false) {
		t.Errorf("got\n%s\nwant\n%s", got, written(35, false))
	}
}

// What a target or a server says does not steer the terminal.
func TestControlCharactersAreNotPassedOn(t *testing.T) {
	var b bytes.Buffer
	p := paper{w: &b, colours: true}
	const evil = "a\x1b[2Jb\u009bc\rd\ne"
	p.line("%s", evil)
	p.say(plain, "%s", evil)
	tab := table{columns: []column{{title: "T"}}}
	tab.add(cell{text: evil})
	tab.write(paper{w: &b})
	want := "a�[2Jb�c�d\ne\na�[2Jb�c�d\ne\nT\na�[2Jb�c�d e\n"
	if got := b.String(); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestSpansAreShort(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := span(d); got != want {
			t.Errorf("%s is %q; want %q", d, got, want)
		}
	}
	f(0, "0s")
	f(850*time.Microsecond, "850µs")
	f(12*time.Millisecond, "12ms")
	f(2500*time.Millisecond, "2.5s")
	f(2*time.Second, "2s")
	f(59*time.Second, "59s")
	f(3*time.Minute+20*time.Second, "3m")
	f(2*time.Hour+5*time.Minute, "2h5m")
	f(2*time.Hour, "2h")
	f(30*time.Hour, "30h")
	f(50*time.Hour, "2d")
	f(-time.Second, "-1s")
}

func TestAgoLooksBothWays(t *testing.T) {
	f := func(at time.Time, want string) {
		t.Helper()
		if got := ago(now, at); got != want {
			t.Errorf("%s is %q; want %q", at, got, want)
		}
	}
	f(time.Time{}, "-")
	f(now.Add(300*time.Millisecond), "now")
	f(now.Add(-3400*time.Millisecond), "3s ago")
	f(now.Add(4900*time.Millisecond), "in 4s")
}

// The clock of a node is judged by the median of all clocks, of which its own is
// one: one other clock that is off is not this node's fault.
func TestSkewIsAgainstTheMedian(t *testing.T) {
	f := func(want time.Duration, others ...float64) {
		t.Helper()
		peers := map[string]float64{}
		for i, s := range others {
			peers[string(rune('a'+i))] = s
		}
		if got := aheadOf(peers); got != want*time.Millisecond {
			t.Errorf("%v gives %s; want %s", others, got, want)
		}
	}
	f(0)
	f(0, 0.1)
	f(0, 2, 0.001, -0.001)
	f(-250, 0.25, 0.25)
	f(250, -0.25, -0.25)
}
